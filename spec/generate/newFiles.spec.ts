import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyNew, writeNew } from '../../cli/commands/generating/newFiles.ts';
import { digestOf } from '../../cli/host/index.ts';

type Code = { code?: string };
const isUsage = (error: Code) => error.code === 'usage';

describe('files that generate writes', () => {
  let base: string;
  let folder: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'kata-sysext-new-'));
    folder = join(base, 'out');
    mkdirSync(folder);
    writeFileSync(join(base, 'precious'), 'precious');
  });

  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it('come whole, and stay where they are there with the same bytes', async () => {
    const large = Buffer.alloc(3 << 20, 'x');
    writeFileSync(join(base, 'large'), large);
    const copied = { name: 'b', file: join(base, 'large'), digest: digestOf(large) };

    for (const _ of ['first', 'again']) {
      await writeNew(folder, [{ name: 'a', text: 'text' }]);
      await copyNew(folder, copied);
    }

    assert.deepEqual([readdirSync(folder), readFileSync(join(folder, 'a'), 'utf8')], [['a', 'b'], 'text']);
    assert.ok(readFileSync(join(folder, 'b')).equals(large));
  });

  it('never go through a link, be it to a file, to nothing or to the same bytes', async () => {
    writeFileSync(join(base, 'same'), 'text');
    for (const target of ['precious', 'nothing', 'same']) {
      symlinkSync(join(base, target), join(folder, 'a'));

      await assert.rejects(writeNew(folder, [{ name: 'a', text: 'text' }]), isUsage);
      await assert.rejects(copyNew(folder, { name: 'a', file: join(base, 'same'), digest: digestOf('text') }), isUsage);

      rmSync(join(folder, 'a'));
    }
    assert.deepEqual([readFileSync(join(base, 'precious'), 'utf8'), readdirSync(base).sort()], ['precious', ['out', 'precious', 'same']]);
  });

  it('have names until they are whole that nobody can plant a link at', async () => {
    for (const name of ['.a.part', '.a.tmp', '.a.kata-sysext']) symlinkSync(join(base, 'precious'), join(folder, name));

    await writeNew(folder, [{ name: 'a', text: 'text' }]);

    assert.equal(readFileSync(join(base, 'precious'), 'utf8'), 'precious');
    assert.equal(readFileSync(join(folder, 'a'), 'utf8'), 'text');
  });

  it('with one of them taken by other bytes, none is written', async () => {
    writeFileSync(join(folder, 'b'), 'others');

    const files = ['a', 'b'].map((name) => ({ name, text: 'text' }));
    await assert.rejects(writeNew(folder, files), isUsage);

    assert.deepEqual(readdirSync(folder), ['b']);
  });
});
