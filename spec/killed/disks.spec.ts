import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { bootable, judged } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs, sample } from '../support/sample.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const page = 4096;

function mount(...args: string[]): void {
  execFileSync('mount', args);
}

function unmount(path: string): void {
  execFileSync('umount', ['--lazy', path]);
}

/** Moves `folder` of the tree ('' is the whole tree) onto a tmpfs of its own. */
function onTmpfs(host: TreeHost, folder: string): string {
  const path = host.path(folder);
  const keep = `${host.root}.keep`;
  execFileSync('cp', ['-a', path, keep]);
  mount('-t', 'tmpfs', '-o', 'size=64m,mode=755', 'kata-sysext-spec', path);
  execFileSync('cp', ['-a', `${keep}/.`, path]);
  rmSync(keep, { recursive: true });
  return path;
}

/** `judged` does not cross mounts, so it judges a copy. */
function looked(host: TreeHost): string[] {
  const copy = host.copy();
  const lines = judged(copy);
  copy.remove();
  return lines;
}

function used(path: string, what: 'used' | 'iused'): number {
  return Number(
    execFileSync('df', ['--block-size=1', `--output=${what}`, path], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .at(-1),
  );
}

/**
 * Runs a change on a disk that gets full. An installation looks at the free room before it puts its payload in place, and refuses what will
 * not fit: so that its steps meet a full disk, others fill it after that look.
 */
async function whenFull(host: TreeHost, args: string[], fill: () => void): Promise<{ status: number; said: string }> {
  if (args[0] !== 'install') {
    fill();
    const { status, stdout, stderr } = await host.run([...args, '--json']);
    return { status, said: `${stdout} ${stderr}` };
  }
  const paused = await host.paused(args, 'store/seal/before=pause');
  fill();
  paused.go();
  return { status: await paused.ended, said: paused.said() };
}

/** Room for so many pages or inodes more than what is used now. */
const limits = {
  'without room': (path: string, more: number) => `remount,size=${used(path, 'used') + more * page}`,
  'without inodes': (path: string, more: number) => `remount,nr_inodes=${used(path, 'iused') + more}`,
};

const places: [folder: string, what: string, most: Record<keyof typeof limits, number>][] = [
  ['', 'the whole host', { 'without room': 130, 'without inodes': 110 }],
  ['var', '/var', { 'without room': 130, 'without inodes': 110 }],
  ['etc', '/etc', { 'without room': 6, 'without inodes': 6 }],
];

describe('a real disk that is full', function () {
  this.timeout(loopMs);

  for (const [folder, what, most] of places) {
    for (const limit of ['without room', 'without inodes'] as const) {
      for (const [verb, before] of [
        ['install', 0],
        ['upgrade', 1],
        ['uninstall', 2],
      ] as const) {
        it(`${what} ${limit}, ${verb}: done or as before, and works once there is room`, async () => {
          const { first, second } = await releases();
          const bundles = [first, second];
          const args = verb === 'uninstall' ? ['uninstall'] : ['install', bundles[before]!];
          const base = treeHost('fcos');
          for (const bundle of bundles.slice(0, before)) await base.json(['install', bundle]);
          const old = judged(base);
          const rooms = sample([...Array(most[limit]).keys()], 1, `${what} ${limit} ${verb}`);

          for (const more of rooms) {
            const host = base.copy();
            const path = onTmpfs(host, folder);
            try {
              const { status, said } = await whenFull(host, args, () => mount('-o', limits[limit](path, more), path));
              const now = looked(host);
              const title = `${more} more: ${status} ${said}`;
              assert.ok([0, 1, 3].includes(status), title);
              assert.deepEqual(bootable(host), [], title);
              if (status !== 0) assert.deepEqual(differences(old, now), [], title);
              mount('-o', 'remount,size=64m,nr_inodes=100000', path);
              await host.json(['recover']);
              if (status !== 0) assert.deepEqual(differences(old, looked(host)), [], title);
              await host.json(args);
            } finally {
              unmount(path);
              host.remove();
            }
          }
          base.remove();
        });
      }
    }
  }
});

describe('a real file system that is read-only', () => {
  for (const folder of ['etc', 'var', 'var/usrlocal', '']) {
    for (const [verb, before] of [
      ['install', 0],
      ['upgrade', 1],
      ['uninstall', 2],
    ] as const) {
      it(`/${folder}, ${verb}: not done, and as before`, async () => {
        const { first, second } = await releases();
        const bundles = [first, second];
        const host = treeHost('fcos');
        for (const bundle of bundles.slice(0, before)) await host.json(['install', bundle]);
        const path = host.path(folder);
        const old = judged(host);
        mount('--bind', path, path);
        mount('-o', 'remount,bind,ro', path);

        // An uninstall whose payload cannot be removed is made all the same; its clean-up waits.
        const { status, stdout } = await host.run([...(verb === 'uninstall' ? ['uninstall'] : ['install', bundles[before]!]), '--json']);
        const now = looked(host);
        unmount(path);
        const recovered = await host.run(['recover']);

        if (folder === 'var/usrlocal' && verb === 'uninstall') assert.match(stdout, /"journal-open"/);
        else {
          if (folder === 'etc') assert.match(stdout, /"host-etc-unsafe"/);
          if (folder === 'etc') assert.equal((JSON.parse(stdout) as { next: string }).next, `findmnt -T ${path}`);
          assert.equal(status, 3, stdout);
          assert.deepEqual(differences(old, now), []);
          assert.deepEqual(differences(old, judged(host)), []);
        }
        assert.equal(recovered.status, 0);
        host.remove();
      });
    }
  }
});
