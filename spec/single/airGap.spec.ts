import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeHostTree } from '../../cli/commands/try/tree.ts';
import { tinyRelease } from '../lab/release/index.ts';
import { debianRoot, suiteAvailable } from '../lab/roots.ts';
import { run } from '../lab/run.ts';
import { singleFiles } from '../support/singleFile.ts';
import { runInside } from './roots.ts';

describe('a saved bundle on trixie without Node and without a network', function () {
  this.timeout(1_800_000);
  let share: string;
  let root: string;

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      this.skip();
    }
    root = await debianRoot('trixie');
    share = await mkdtemp(join(tmpdir(), 'kata-sysext-air-gap-'));
    const { x64: program } = await singleFiles();
    const release = await tinyRelease(join(share, 'release'));
    const plain = release.replace(/\.zst$/, '');
    await run(['zstd', '-dq', release, '-o', plain]);
    await run([program, 'bundle', 'save', plain, '-o', join(share, 'kata.bundle')]);
    await mkdir(join(share, 'host'));
    await makeHostTree(join(share, 'host'));
  });
  after(async () => {
    if (share !== undefined) await rm(share, { recursive: true, force: true });
  });

  it('has all that an installation needs, the program included', async () => {
    const script = `set -e
cd /tmp
tar -xf /share/kata.bundle kata-sysext
./kata-sysext install /share/kata.bundle --root /share/host --engine containerd@1.7 --json --progress none
./kata-sysext verify --root /share/host >&2
./kata-sysext uninstall --purge --root /share/host --progress none >&2`;
    const ran = await runInside(root, undefined, ['unshare', '--net', 'sh', '-c', script], { share });

    const change = JSON.parse(ran.stdout) as Record<string, unknown>;
    assert.equal(change['kind'], 'Change');
    assert.equal(change['changed'], true);
    assert.equal(change['to'], 1);
  });
});
