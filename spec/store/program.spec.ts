import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openHost } from '../../cli/host/index.ts';
import { ensureStore, idlePrograms, keepProgram, programBytes, programDrift, readPrograms } from '../../cli/store/index.ts';
import { gcPrograms } from '../../cli/store/program.ts';
import { counting, losingPower } from '../support/faults/faultyHost.ts';
import { type ChangeTree, changeTree, state } from '../support/trees/changeTree.ts';

const root = '/usr/local/libexec/kata-sysext';
const place = 'usr/local/libexec/kata-sysext/bin/1.2.3/kata-sysext';

describe('the copy of the program on the host', () => {
  let tree: ChangeTree;
  let running: { version: string; file: string };
  beforeEach(() => {
    tree = changeTree();
    const file = join(tree.root, 'program');
    writeFileSync(file, 'the bytes of the program\n');
    running = { version: '1.2.3', file };
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const at = (path: string) => join(tree.root, path);

  it('has the bytes that run, may be executed, and is noted; a second time nothing is written', async () => {
    const first = await keepProgram(tree.host, root, running);
    const { mtimeMs } = statSync(at(place));
    const second = await keepProgram(tree.host, root, running);

    const [manifest, ...more] = await readPrograms(tree.host);
    assert.deepEqual([first, second, more.length], [true, false, 0]);
    assert.equal(readFileSync(at(place), 'utf8'), 'the bytes of the program\n');
    assert.equal(statSync(at(place)).mode & 0o7777, 0o755);
    assert.equal(statSync(at(place)).mtimeMs, mtimeMs);
    assert.equal(await programDrift(tree.host, manifest!), undefined);
    assert.ok((await programBytes(tree.host, manifest!)) > 25);
  });

  it('is written again where it was changed, and where other bytes run under the same version', async () => {
    await keepProgram(tree.host, root, running);
    writeFileSync(at(place), 'damaged\n');
    const drift = await programDrift(tree.host, (await readPrograms(tree.host))[0]!);

    const mended = await keepProgram(tree.host, root, running);
    writeFileSync(running.file, 'newer bytes\n');
    const newer = await keepProgram(tree.host, root, running);

    assert.match(drift!, /bytes/);
    assert.deepEqual([mended, newer], [true, true]);
    assert.equal(readFileSync(at(place), 'utf8'), 'newer bytes\n');
  });

  it('moves with its root', async () => {
    await keepProgram(tree.host, root, running);

    await keepProgram(tree.host, '/var/lib/kata-sysext', running);

    assert.ok(!existsSync(at(place)));
    assert.ok(existsSync(at(`${state}/bin/1.2.3/kata-sysext`)));
    assert.equal((await readPrograms(tree.host)).length, 1);
  });

  it('is refused where another file is in its place; the same bytes are as good, and stay', async () => {
    mkdirSync(at(`${place}/..`), { recursive: true });
    writeFileSync(at(place), 'theirs\n');
    const refused = keepProgram(tree.host, root, running);
    await assert.rejects(refused, (error: { code?: string }) => error.code === 'foreign-file');
    writeFileSync(at(place), readFileSync(running.file));

    const kept = await keepProgram(tree.host, root, running);

    assert.equal(kept, false);
    assert.deepEqual(await readPrograms(tree.host), []);
  });

  it('cut off at any write is either whole and noted, or taken away by the next clean-up', async () => {
    await ensureStore(tree.host, root);
    const whole = counting(tree.host);
    await keepProgram(whole.host, root, running);
    assert.ok(whole.calls.length >= 4);

    for (let nth = 1; nth <= whole.calls.length + 1; nth++) {
      const own = changeTree();
      await ensureStore(own.host, root);
      await keepProgram(losingPower(own.host, nth).host, root, running).catch(() => undefined);

      await gcPrograms(own.host, new Set());

      const left = (path: string) => (existsSync(join(own.root, path)) ? readdirSync(join(own.root, path)) : []);
      assert.deepEqual([left('usr/local/libexec/kata-sysext/bin/1.2.3'), left(`${state}/programs`)], [[], []], `cut at ${nth}`);
      rmSync(own.root, { recursive: true });
    }
  });

  it('stays as long as a generation was made by it or a boot is guarded by it', async () => {
    for (const version of ['1.2.3', '1.2.4', '1.2.5']) await keepProgram(tree.host, root, { ...running, version });
    mkdirSync(at('etc/systemd/system'), { recursive: true });
    const [unit] = readdirSync(join(import.meta.dirname, '../../units')).filter((name) => /settle|recover/.test(name));
    writeFileSync(at(`etc/systemd/system/${unit}`), `[Service]\nExecStart=${root}/bin/1.2.4/kata-sysext recover --boot\n`);

    const idle = await idlePrograms(tree.host, new Set(['1.2.3']));
    await gcPrograms(tree.host, new Set(['1.2.3']));

    assert.deepEqual(
      idle.map(({ version }) => version),
      ['1.2.5'],
    );
    assert.deepEqual(readdirSync(at('usr/local/libexec/kata-sysext/bin')).sort(), ['1.2.3', '1.2.4']);
  });

  it('a full disk is said as such, and leaves nothing', async () => {
    const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
    const host = { ...openHost(tree.root, {}), copyIn: () => Promise.reject(full) };

    const refused = keepProgram(host, root, running);

    await assert.rejects(refused, (error: { code?: string }) => error.code === 'host-space');
    assert.deepEqual(readdirSync(at('usr/local/libexec/kata-sysext/bin/1.2.3')), []);
  });
});
