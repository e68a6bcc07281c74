import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

/** What each backend needs of a host, and where its files are seen. */
const rows: Record<string, { prepare: (root: string) => void; link: string | undefined; shims: RegExp }> = {
  prefix: { prepare: () => undefined, link: undefined, shims: /"\/etc\/kata-sysext\/current\/payload\// },
  sysext: {
    prepare: (root) => {
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    },
    link: 'etc/extensions/kata',
    shims: /"\/usr\/share\/kata\//,
  },
  overlay: {
    prepare: (root) => {
      for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
    },
    link: 'etc/kata-sysext/overlay',
    shims: /"\/usr\/share\/kata\//,
  },
  baked: { prepare: () => undefined, link: undefined, shims: /"\/usr\/libexec\/kata-sysext\/|"\/etc\/kata-sysext\/current\/payload\// },
};

describe('backends on an offline tree', function () {
  this.timeout(300_000);
  let first: string;
  let second: string;
  let host: InProcessTree | undefined;
  before(async () => {
    ({ first, second } = await plainReleases());
  });
  afterEach(() => host?.remove());

  for (const [backend, { prepare, link, shims }] of Object.entries(rows)) {
    it(`${backend}: install, verify, upgrade and uninstall --purge leave the tree as it was`, async () => {
      host = inProcessTree('fcos', prepare);
      const before = host.listing();

      await host.json(['install', first, '--backend', backend]);
      const wired = readFileSync(host.path('etc/containerd/config.toml'), 'utf8');
      const shown = link === undefined ? undefined : readlinkSync(host.path(link));
      const verified = await host.json(['verify']);
      const status = await host.json(['status']);
      if (backend !== 'baked') await host.json(['install', second, '--backend', backend]);
      await host.json(['uninstall', ...(backend === 'baked' ? [] : ['--purge'])]);

      assert.match(wired, shims);
      if (shown !== undefined) assert.match(shown, /\/tree\/[0-9a-f]{64}/);
      assert.deepEqual(verified['drift'], []);
      assert.ok(JSON.stringify(status).includes(`"${backend}"`));
      assert.deepEqual(differences(before, host.listing()), []);
    });
  }

  for (const [from, to] of [
    ['prefix', 'sysext'],
    ['sysext', 'overlay'],
    ['overlay', 'prefix'],
  ] as const)
    it(`a move from ${from} to ${to} takes away what ${from} alone has shown, and rollback brings it back`, async () => {
      host = inProcessTree('fcos', (root) => {
        for (const { prepare } of Object.values(rows)) prepare(root);
      });
      await host.json(['install', first, '--backend', from]);
      const before = host.listing(['var/lib/kata-sysext', 'var/usrlocal']);

      await host.json(['install', first, '--backend', to]);
      const links = [rows[from]!.link, rows[to]!.link].map(
        (path) => path !== undefined && existsSync(host!.path(path).replace(/\/current$/, '')),
      );
      await host.json(['rollback']);

      assert.equal(links[0], false);
      assert.deepEqual(differences(before, host.listing(['var/lib/kata-sysext', 'var/usrlocal'])), []);
    });
});
