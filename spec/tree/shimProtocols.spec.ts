import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { tinyRelease } from '../lab/release/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { json } from '../support/program.ts';
import { scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

interface Told {
  code: string;
  level: string;
  found: string;
}

/** The shim of the release's default handler, with the words that a shim of this version of the protocol has in its executable. */
const shim = (...versions: number[]) => ({
  'runtime-rs/bin/containerd-shim-kata-v2': `#! ${versions.map((version) => `containerd.task.v${version}.Task`).join(' ')}`,
});

describe('a release whose shim speaks another protocol than the engine', () => {
  let folder: string;
  let host: TreeHost;
  let speaks2: string;
  let speaks3: string;
  let unclear: string;

  before(async () => {
    folder = scratch('protocols');
    speaks2 = await tinyRelease(folder, { version: '5.0.0', files: shim(2) });
    speaks3 = await tinyRelease(folder, { version: '5.1.0', files: shim(3) });
    unclear = await tinyRelease(folder, { version: '5.2.0', files: shim(2, 3) });
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  // who held the lock last is written into it
  const bytes = () => host.fingerprint(['var/lib/kata-sysext/lock']);
  const run = (args: string[], engine: string, wanted = 0) => json([...args, '--root', host.root, '--engine', engine], wanted);
  const shimCodes = (answer: Record<string, unknown>) =>
    (answer['findings'] as Told[]).filter(({ code }) => /shim|forgets/.test(code)).map(({ code, level }) => `${level} ${code}`);

  for (const engine of ['containerd@1.6.20', 'containerd@1.7', 'containerd@1.7.24']) {
    it(`is refused under ${engine}, says what helps, and nothing is written`, async () => {
      const before = bytes();

      const refused = await run(['install', speaks3], engine, 3);

      assert.equal(refused['code'], 'shim-protocol');
      assert.match(
        String(refused['found']),
        /kata-qemu-runtime-rs in Kata 5\.1\.0 speaks version 3 .* containerd 1\.\S+ speaks version 2 at most/,
      );
      assert.match(String(refused['next']), /upgrade containerd/);
      assert.deepEqual(differences(before, bytes()), []);
    });
  }

  it('is refused as an upgrade too, and no --allow overrides it', async () => {
    await run(['install', speaks2], 'containerd@1.7.24');
    const before = bytes();

    const refused = await run(['install', speaks3], 'containerd@1.7.24', 3);
    const pressed = await run(['install', speaks3, '--allow', 'shim-protocol'], 'containerd@1.7.24', 2);

    assert.equal(refused['code'], 'shim-protocol');
    assert.equal(pressed['code'], 'usage');
    assert.deepEqual(differences(before, bytes()), []);
  });

  it('is refused as a rollback, after the engine went back to an older version', async () => {
    await run(['install', speaks3], 'containerd@2.1.9');
    await run(['install', speaks2], 'containerd@2.1.9');
    const before = bytes();

    const refused = await run(['rollback'], 'containerd@1.7.24', 3);
    const same = differences(before, bytes());
    const back = await run(['rollback'], 'containerd@2.1.9');

    assert.equal(refused['code'], 'shim-protocol');
    assert.deepEqual(same, []);
    assert.equal(back['to'], 1);
  });

  for (const [engine, release, wanted] of [
    ['containerd@1.7.24', 'speaks2', []],
    ['containerd@2.1.9', 'speaks2', []],
    ['containerd@2.0.5', 'speaks2', ['warning engine-forgets-containers']],
    ['containerd@2.0.6', 'speaks2', []],
    ['containerd@2.1.9', 'speaks3', ['warning engine-forgets-containers']],
    ['containerd', 'speaks2', []],
    ['containerd', 'speaks3', ['warning shim-protocol-unknown']],
    ['containerd@1.7.24', 'unclear', ['warning shim-protocol-unknown']],
  ] as [string, string, string[]][]) {
    it(`${release} under ${engine} is installed, with ${wanted.length === 0 ? 'nothing to say' : wanted.join(', ')}`, async () => {
      const bundle = { speaks2, speaks3, unclear }[release]!;

      const done = await run(['install', bundle], engine);

      assert.deepEqual(shimCodes(done), wanted);
    });
  }

  it('is refused under CRI-O of any version, which has no newer one to offer', async () => {
    const refused = await run(['install', speaks3], 'crio@1.36.3', 3);

    assert.equal(refused['code'], 'shim-protocol');
    assert.match(String(refused['found']), /crio 1\.36\.3 speaks version 2 at most/);
    assert.doesNotMatch(String(refused['next']), /upgrade crio/);
  });

  it('is told by check as well, when the engine changed since', async () => {
    await run(['install', speaks3], 'containerd@2.1.9');

    const now = await run(['check'], 'containerd@2.1.9');
    const older = await run(['check'], 'containerd@1.7.24', 3);

    assert.deepEqual(shimCodes(now), ['warning engine-forgets-containers']);
    assert.deepEqual(shimCodes(older), ['blocker shim-protocol']);
    assert.equal(older['ready'], false);
  });

  it('is recorded in the generation, and not there where the shim does not tell', async () => {
    await run(['install', speaks3], 'containerd@2.1.9');
    await run(['install', unclear], 'containerd@2.1.9');

    const recorded = [1, 2].map(
      (number) =>
        JSON.parse(readFileSync(host.path(`var/lib/kata-sysext/generations/${number}/manifest.json`), 'utf8')) as {
          handlers: { protocol?: number }[];
        },
    );

    assert.deepEqual(
      recorded.map(({ handlers }) => handlers.map((handler) => handler.protocol)),
      [[3], [undefined]],
    );
  });
});
