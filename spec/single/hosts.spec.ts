import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeHostTree } from '../../cli/commands/try/tree.ts';
import { version } from '../../cli/version.ts';
import { debianRoot, type Suite, suiteAvailable } from '../lab/roots.ts';
import { type Ran, run } from '../lab/run.ts';
import { singleFiles } from '../support/singleFile.ts';
import { armRoot, bareRoot, runInside } from './roots.ts';

type Program = (args: string[], env?: Record<string, string>) => Promise<Ran>;

describe('the single file on this machine', function () {
  this.timeout(900_000);
  let file: string;
  let folder: string;

  before(async () => {
    file = (await singleFiles()).x64;
    folder = await mkdtemp(join(tmpdir(), 'kata-sysext-single-host-'));
  });
  after(() => rm(folder, { recursive: true }));

  works(
    () =>
      (args, env = {}) =>
        run([file, ...args.map((arg) => (arg === '/host' ? folder : arg))], { env }),
  );

  it('does not listen to NODE_OPTIONS, and prints no warning', async () => {
    const ran = await run([file, '--version'], { env: { NODE_OPTIONS: '--require=/nowhere/to/be/found.js --no-such-option' } });

    assert.deepEqual(ran, { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('takes options of Node for words of its own', async () => {
    const ran = await run([file, '-e', 'console.log("ran")'], { allowFailure: true });

    assert.equal(ran.code, 2);
    assert.doesNotMatch(ran.stdout, /^ran/m);
  });
});

for (const suite of ['bookworm', 'trixie', 'forky'] as Suite[]) {
  describe(`the single file on ${suite} without Node`, function () {
    this.timeout(1_800_000);
    let file: string;
    let root: string;

    before(async function () {
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      ${available.why}`);
        this.skip();
      }
      file = (await singleFiles()).x64;
      root = await debianRoot(suite);
    });

    it('finds no Node there', async () => {
      const ran = await runInside(root, file, ['/bin/sh', '-c', 'command -v node nodejs || echo none']);

      assert.equal(ran.stdout, 'none\n');
    });

    works(
      () =>
        (args, env = {}) =>
          runInside(root, file, ['/kata-sysext', ...args], { env }),
    );
  });
}

describe('the single file on a root of glibc, libstdc++, libgcc, cp, sync and flock', function () {
  this.timeout(900_000);
  let file: string;
  let root: string;

  before(async () => {
    file = (await singleFiles()).x64;
    root = await bareRoot(await mkdtemp(join(tmpdir(), 'kata-sysext-bare-')));
  });
  after(() => rm(root, { recursive: true }));

  works(
    () =>
      (args, env = {}) =>
        runInside(root, file, ['/kata-sysext', ...args], { env }),
  );

  it('names the program and its package when the host lacks one that it needs', async () => {
    await makeHostTree(join(root, 'tree'));
    await run(['sh', '-c', 'tar -c -C "$1" usr/bin/cp | zstd --quiet -o "$1/release.tar.zst"', 'sh', root]);

    const shell = await runInside(root, file, ['/bin/sh', '-c', 'true'], { allowFailure: true });
    const refused = await runInside(
      root,
      file,
      ['/kata-sysext', 'install', '/release.tar.zst', '--root', '/tree', '--engine', 'containerd@1.7', '--json'],
      {
        allowFailure: true,
      },
    );

    assert.equal(shell.code, 127, 'the root must have no shell');
    const error = JSON.parse(refused.stdout) as Record<string, unknown>;
    assert.deepEqual([error['code'], error['subject'], refused.code], ['host-program-missing', 'zstd', 3]);
  });
});

describe('the single file for arm64 in an emulator', function () {
  this.timeout(1_800_000);
  let inside: Program;

  before(async () => {
    const [{ arm64 }, root] = [await singleFiles(), await armRoot()];
    inside = (args, env = {}) =>
      run(['qemu-aarch64-static', '-L', root, arm64, ...args.map((arg) => (arg === '/host' ? root : arg))], { env, timeoutMs: 900_000 });
  });

  works(() => inside);

  it('knows its architecture', async () => {
    const { stdout } = await run(['readelf', '--file-header', (await singleFiles()).arm64]);

    assert.match(stdout, /Machine: +AArch64/);
  });
});

/** What must work wherever the file runs; /host is an empty folder there. */
function works(program: () => Program): void {
  it('tells its version', async () => {
    const ran = await program()(['--version']);

    assert.deepEqual(ran, { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('explains a code from the tables inside it', async () => {
    const ran = await program()(['explain', 'lock-held']);

    assert.match(ran.stdout, /^lock-held/m);
  });

  it('shows the status of a tree without Kata', async () => {
    const ran = await program()(['status', '--root', '/host', '--json']);

    assert.deepEqual(JSON.parse(ran.stdout), {
      apiVersion: 'kata-sysext/v1',
      kind: 'Status',
      installed: false,
      generations: [],
      deployments: [],
      programs: [],
      interrupted: [],
      findings: [],
    });
  });

  it('goes through a whole installation and back, to the same bytes', async () => {
    const ran = await program()(['try', '--json', '--progress', 'none'], { TMPDIR: '/tmp' });

    const trial = JSON.parse(ran.stdout) as Record<string, unknown>;
    assert.equal(trial['kind'], 'Trial');
    assert.equal(trial['same'], true);
    assert.equal((trial['steps'] as string[]).length > 5, true);
  });
}
