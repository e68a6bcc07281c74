import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRelease } from '../../cli/commands/try/tree.ts';
import type { Host } from '../../cli/host/index.ts';
import {
  entryDrift,
  gcStaging,
  isIntact,
  type PayloadRequest,
  readFolders,
  readPayload,
  stagePayload,
  stagingOf,
} from '../../cli/store/index.ts';
import { counting, failingOnce, losingPower } from '../support/faults/faultyHost.ts';
import { sample } from '../support/sample.ts';
import { type ChangeTree, changeTree, state } from '../support/trees/changeTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const root = '/var/lib/kata-sysext';

describe('a payload of the store', () => {
  let release: string;
  let tree: ChangeTree;
  before(async () => {
    release = join(scratch('release'), 'kata-static-4.1.0');
    await makeRelease(release, '4.1.0');
  });
  after(() => rmSync(join(release, '..'), { recursive: true }));
  beforeEach(() => {
    tree = changeTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const at = (path: string) => join(tree.root, path);

  function stage(host: Host = tree.host, more: Partial<PayloadRequest> = {}) {
    return stagePayload(host, {
      sources: [release],
      digests: [],
      handlers: undefined,
      architecture: 'x86_64',
      root,
      format: 'directory',
      emit: () => undefined,
      signal: new AbortController().signal,
      ...more,
    });
  }
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no error',
      (error: { code?: string }) => error.code,
    );

  it('is staged whole, and is in the store only once it is sealed', async () => {
    const staged = await stage();
    const before = await readPayload(tree.host, staged.manifest.digest);
    const waiting = await stagingOf(tree.host);

    await staged.seal();

    const { manifest } = staged;
    assert.deepEqual([before, staged.known, waiting?.folders], [undefined, false, [`${root}/staging`]]);
    assert.ok(waiting!.sizeBytes! >= manifest.sizeBytes);
    assert.equal(await isIntact(tree.host, (await readPayload(tree.host, manifest.digest))!, 'bytes'), true);
    assert.deepEqual(await stagingOf(tree.host), undefined);
    assert.ok(existsSync(at(`${manifest.folder}/runtime-rs/bin/containerd-shim-kata-v2`)));
    assert.ok(!existsSync(at(`${manifest.folder}/share/kata-containers/vmlinux-nvidia-gpu.container`)));
    assert.equal(statSync(at(`${manifest.folder}/runtime-rs/bin/containerd-shim-kata-v2`)).mode & 0o7777, 0o755);
  });

  it('of the same bytes is known, and is not written again', async () => {
    const first = await stage();
    await first.seal();
    const shim = at(`${first.manifest.folder}/runtime-rs/bin/containerd-shim-kata-v2`);
    const { ino } = statSync(shim);

    const second = await stage();
    await second.seal();

    assert.deepEqual([second.known, second.manifest.digest], [true, first.manifest.digest]);
    assert.equal(statSync(shim).ino, ino);
    assert.ok(!existsSync(at(`${state}/staging`)));
  });

  it('that was damaged is replaced whole', async () => {
    const first = await stage();
    await first.seal();
    writeFileSync(at(`${first.manifest.folder}/VERSION`), 'damaged\n');

    const second = await stage();
    await second.seal();

    assert.equal(second.known, false);
    assert.equal(readFileSync(at(`${first.manifest.folder}/VERSION`), 'utf8'), '4.1.0\n');
    assert.deepEqual(readdirSync(at(`${state}/tree`)).length, 1);
  });

  it('that is discarded leaves nothing but the folders that are noted', async () => {
    const staged = await stage();

    await staged.discard();

    assert.ok(!existsSync(at(`${state}/staging`)));
    assert.deepEqual([readdirSync(at(`${state}/tree`)), readdirSync(at(`${state}/payloads`))], [[], []]);
    assert.deepEqual((await readFolders(tree.host)).roots, [root]);
  });

  it('is refused where another program has files in its place, or where the disk is full, and staging is gone', async () => {
    const { manifest, discard } = await stage();
    await discard();
    mkdirSync(at(`${manifest.extension!.folder}/theirs`), { recursive: true });
    const foreign = await code(stage());
    rmSync(at(manifest.extension!.folder), { recursive: true });

    const full = await code(stage({ ...tree.host, rename: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) }));
    const noRoom = await code(stage(tree.host, { haveRoom: () => Promise.reject(Object.assign(new Error('no room'), { code: 'x' })) }));

    assert.deepEqual([foreign, full, noRoom], ['foreign-file', 'host-space', 'x']);
    assert.ok(!existsSync(at(`${state}/staging`)));
  });

  it('cut off at any write while it is sealed is either whole or gone after the clean-up', async () => {
    const whole = { ...tree.host };
    const first = await stage(whole);
    const undisturbed = counting(tree.host);
    Object.assign(whole, undisturbed.host);
    await first.seal();
    const writes = undisturbed.calls.map((_, index) => index + 1);

    for (const nth of sample(writes, 4, 'seal')) {
      const own = changeTree();
      const port = { ...own.host };
      const staged = await stage(port);
      Object.assign(port, losingPower(own.host, nth).host);
      await staged.seal().catch(() => undefined);

      await gcStaging(own.host);

      assert.deepEqual(readdirSync(join(own.root, state, 'tree')), [], `cut at ${nth}`);
      assert.deepEqual(readdirSync(join(own.root, state, 'payloads')), []);
      rmSync(own.root, { recursive: true });
    }
  });

  it('one write that fails while it is staged leaves no staging folder', async () => {
    const undisturbed = counting(tree.host);
    await (await stage(undisturbed.host)).discard();
    const making = undisturbed.calls.flatMap((call, index) => (/staging/.test(call) && !call.startsWith('removeTree') ? [index + 1] : []));
    assert.ok(making.length > 2);

    for (const nth of sample(making, 3, 'staging')) {
      const own = changeTree();
      const refused = await code(stage(failingOnce(own.host, nth).host));

      const left = existsSync(join(own.root, state, 'staging'));
      rmSync(own.root, { recursive: true });
      assert.deepEqual([refused, left], ['host-space', false], undisturbed.calls[nth - 1]);
    }
  });

  describe('compared with its manifest', () => {
    const path = '/file';
    const entry = { path: 'file', kind: 'file' as const, mode: 0o644, sizeBytes: 2, digest: `sha256:${'0'.repeat(64)}` as const };
    const rows: [what: string, make: () => void, entry: object, said: string | undefined, shape: string | undefined][] = [
      ['is not there', () => undefined, entry, 'it is not there', 'it is not there'],
      ['is a link', () => symlinkSync('/x', at('file')), entry, 'it is a symlink, not a file', 'it is a symlink, not a file'],
      ['has another mode', () => put('ab', 0o600), entry, 'its mode is 600, not 644', 'its mode is 600, not 644'],
      ['has another size', () => put('abc'), entry, 'it has 3 bytes, not 2', 'it has 3 bytes, not 2'],
      ['has other bytes', () => put('ab'), entry, 'its bytes differ', undefined],
      [
        'is a link elsewhere',
        () => symlinkSync('/x', at('file')),
        { ...entry, kind: 'symlink', target: '/y' },
        'it does not point at /y',
        'it does not point at /y',
      ],
      [
        'is the same folder',
        () => mkdirSync(at('file'), { mode: 0o755 }),
        { ...entry, kind: 'directory', mode: 0o755 },
        undefined,
        undefined,
      ],
    ];
    function put(text: string, mode = 0o644): void {
      writeFileSync(at('file'), text);
      chmodSync(at('file'), mode);
    }
    for (const [what, make, wanted, said, shape] of rows)
      it(`one that ${what}: ${said ?? 'nothing'}`, async () => {
        make();

        const found = [
          await entryDrift(tree.host, path, wanted as typeof entry),
          await entryDrift(tree.host, path, wanted as typeof entry, 'shape'),
        ];

        assert.deepEqual(found, [said, shape]);
      });
  });
});
