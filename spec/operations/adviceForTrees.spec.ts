import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { needs } from '../support/needs.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const masked = 'etc/systemd/system/systemd-sysext.service';
const pointer = 'etc/kata-sysext/current';
const dockerUnit = 'etc/systemd/system/docker.service';

function link(root: string, path: string, target: string): void {
  mkdirSync(dirname(`${root}/${path}`), { recursive: true });
  symlinkSync(target, `${root}/${path}`);
}

interface Row {
  engine: string;
  prepare: (root: string) => void;
  more?: string[];
  /** The command of the message acts on the tree alone, and takes away what was found. */
  helps?: (host: InProcessTree) => boolean;
}

const rows: Record<string, Row> = {
  'Docker with --add-runtime': {
    engine: 'docker@27.1',
    prepare: (root) =>
      put(root, dockerUnit, '[Service]\nExecStart=/usr/bin/dockerd --add-runtime foo=/usr/bin/foo\nExecReload=/bin/kill\n'),
  },
  'Docker with a file that it does not take': {
    engine: 'docker@27.1',
    prepare: (root) => put(root, 'etc/docker/daemon.json', '{"runtimes":{"x":{}}}'),
  },
  'a Docker that runs without root': {
    engine: 'docker@27.1',
    prepare: (root) => put(root, dockerUnit, '[Service]\nExecStart=/usr/bin/dockerd --rootless\nExecReload=/bin/kill\n'),
  },
  'a masked systemd-sysext.service': {
    engine: 'containerd@2.1',
    prepare: (root) => {
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
      link(root, masked, '/dev/null');
    },
    more: ['--backend', 'sysext'],
    helps: (host) => !existsSync(host.path(masked)) && lstatSync(host.path(masked), { throwIfNoEntry: false }) === undefined,
  },
  'a pointer of another program': {
    engine: 'containerd@2.1',
    prepare: (root) => link(root, pointer, '/tmp/x'),
    helps: (host) => readlinkSync(host.path(`${pointer}.old`)) === '/tmp/x',
  },
  'a link of another program in the place of the overlay’s': {
    engine: 'containerd@2.1',
    prepare: (root) => {
      for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
      link(root, 'etc/kata-sysext/overlay', '/tmp/x');
    },
    more: ['--backend', 'overlay'],
    helps: (host) => readlinkSync(host.path('etc/kata-sysext/overlay.old')) === '/tmp/x',
  },
  'an extension that systemd cannot read': {
    engine: 'containerd@2.1',
    prepare: (root) => {
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
      mkdirSync(`${root}/var/lib/extensions`, { recursive: true });
      writeFileSync(`${root}/var/lib/extensions/my tool.raw`, '');
    },
    more: ['--backend', 'sysext'],
    helps: (host) => existsSync(host.path('var/lib/my tool.raw.old')),
  },
};

describe('advice for a tree', function () {
  this.timeout(300_000);
  let first: string;
  let host: InProcessTree;
  before(async () => {
    ({ first } = await plainReleases());
  });
  afterEach(() => host.remove());

  for (const [what, { engine, prepare, more = [], helps }] of Object.entries(rows))
    it(`${what}: no command acts on the machine that builds the tree`, async function () {
      if (what.includes('masked')) needs(this, 'systemctl');
      host = inProcessTree('fcos', prepare, engine);

      const { next } = (await host.json(['install', first, ...more], 3)) as { next: string };
      const [command = ''] = /(?:systemctl|mv) .*?(?=;|$)/.exec(next) ?? [];
      if (helps !== undefined) execFileSync('sh', ['-c', command], { stdio: 'ignore' });

      const named = /systemctl (?!--root=)|mv (?!'?\/tmp\/)/.exec(next);
      assert.equal(named, null, next);
      if (helps !== undefined) assert.ok(helps(host), command);
    });
});
