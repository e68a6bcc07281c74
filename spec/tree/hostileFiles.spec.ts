import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { loopMs, sample } from '../support/sample.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** Where the program expects a file that another user or program may have replaced; the first of a folder where a name is not known. */
const places = [
  'etc/os-release',
  'etc/machine-id',
  'etc/selinux/config',
  'etc/containerd/config.toml',
  'etc/containerd/conf.d/other.toml',
  'etc/systemd/system/containerd.service.d/10-other.conf',
  'etc/machine-config-daemon/currentconfig',
  'etc/kata-containers/kata-qemu-runtime-rs.d/10-own.toml',
  'usr/lib/systemd/systemd',
  'var/lib/kata-sysext/folders.json',
  'var/lib/kata-sysext/generations/1/manifest.json',
  'var/lib/kata-sysext/generations/1/record.json',
  'var/lib/kata-sysext/payloads/*',
  'var/lib/kata-sysext/history/*',
  'var/lib/kata-sysext/history/sequence',
  'var/lib/kata-sysext/journal/9/intent.json',
];

const kinds: Record<string, (path: string) => void> = {
  'a named pipe': (path) => execFileSync('mkfifo', [path]),
  'the device of endless zeros': (path) => execFileSync('mknod', [path, 'c', '1', '5']),
  'a folder': (path) => mkdirSync(path),
  'a sparse file of 8 GB': (path) => {
    writeFileSync(path, '');
    truncateSync(path, 8 * 2 ** 30);
  },
};

const verbs = [
  ['status'],
  ['history'],
  ['diff'],
  ['verify'],
  ['check'],
  ['report', '-o', '-'],
  ['install', 'SECOND'],
  ['install', 'SECOND', '--dry-run'],
  ['configure', '--set', 'enable_debug=true'],
  ['rollback'],
  ['gc'],
  ['recover'],
  ['uninstall'],
];

/** Far more than a verb takes, far less than for ever. */
const deadlineMs = 300_000;

describe('no file of a host makes the program hang or grow', function () {
  this.timeout(loopMs);
  let host: TreeHost;
  let second: string;

  before(async () => {
    const made = await releases();
    ({ second } = made);
    host = treeHost('fcos');
    await host.json(['install', made.first]);
  });

  after(() => host.remove());

  const all = places.flatMap((place) => Object.keys(kinds).flatMap((kind) => verbs.map((verb) => ({ place, kind, verb }))));
  for (const { place, kind, verb } of sample(all, 32, 'hostile files')) {
    it(`${kind} at /${place}: ${verb.join(' ')}`, async () => {
      const tree = host.copy();
      kinds[kind]!(cleared(tree, place));

      const args = verb.map((word) => (word === 'SECOND' ? second : word));
      const wrapper = ['/usr/bin/prlimit', `--data=${2 * 2 ** 30}`];
      const { status, stdout, stderr } = await tree.run([...args, ...(verb[0] === 'report' ? [] : ['--json'])], {
        timeoutMs: deadlineMs,
        wrapper,
      });
      tree.remove();

      assert.ok(status <= 5, `${status}: ${stderr}`);
      assert.doesNotMatch(stdout + stderr, /EISDIR|"internal"|\(kata-sysext explain internal\)|heap out of memory/);
    });
  }
});

/** The path where the file was. */
function cleared(tree: TreeHost, place: string): string {
  const [folder, name] = [dirname(tree.path(place)), place.slice(place.lastIndexOf('/') + 1)];
  mkdirSync(folder, { recursive: true });
  const path = name === '*' ? `${folder}/${readdirSync(folder)[0]}` : tree.path(place);
  rmSync(path, { force: true });
  return path;
}
