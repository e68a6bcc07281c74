import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { openView, takeLock } from '../../cli/host/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

describe('operations that are refused on an offline tree', function () {
  this.timeout(300_000);
  let first: string;
  let second: string;
  let go: string;
  let host: InProcessTree | undefined;
  before(async () => {
    ({ first, second, go } = await plainReleases());
  });
  afterEach(() => host?.remove());

  it('an upgrade by a bundle that lacks an installed handler names that handler, and no path changes', async () => {
    host = inProcessTree('fcos');
    await host.json(['install', first, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
    const before = host.listing();

    const error = await host.json(['install', second], 4);

    assert.match(JSON.stringify(error), /kata-qemu"|kata-qemu /);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it("a file that a MachineConfig owns is not edited, and the error names the operator's note", async () => {
    host = inProcessTree('rhcos', (root) => {
      const files = [{ path: '/etc/containerd/config.toml', contents: { source: 'data:,' } }];
      const config = { metadata: { name: 'rendered-worker-0123456789abcdef0123456789abcdef' }, spec: { config: { storage: { files } } } };
      put(root, 'etc/machine-config-daemon/currentconfig', JSON.stringify(config), 0o600);
    });
    const before = host.listing();

    const { status, stdout } = await host.run(['install', first, '--json']);

    assert.equal(status, 3, stdout);
    assert.match(stdout, /MachineConfig/);
    assert.deepEqual(
      differences(before, host.listing()).filter((line) => !/^\+ var\/(?:lib\/kata-sysext|usrlocal)/.test(line)),
      [],
    );
  });

  it('a masked unit of the engine is a warning of check and install, with the command that unmasks it in this tree', async () => {
    host = inProcessTree('fcos', (root) => {
      put(root, 'usr/lib/systemd/system/containerd.service', '[Service]\nExecStart=/usr/bin/containerd\n');
      put(root, 'etc/systemd/system/README', '');
      symlinkSync('/dev/null', `${root}/etc/systemd/system/containerd.service`);
    });

    const checked = await host.json(['check']);
    const installed = await host.json(['install', first]);
    const removed = await host.json(['uninstall']);

    for (const findings of [checked['findings'], installed['findings']] as { code: string; level: string; next: string }[][]) {
      const masked = findings.find(({ code }) => code === 'engine-masked');
      assert.equal(masked?.level, 'warning');
      assert.ok(masked.next.startsWith(`systemctl --root ${host.root} unmask containerd.service;`), masked.next);
    }
    assert.ok(!JSON.stringify(removed).includes('engine-masked'));
  });

  it('a second change while one holds the lock ends with 75, and no path changes', async function () {
    needs(this, 'flock');
    host = inProcessTree('fcos');
    await host.json(['install', first]);
    const before = host.listing();
    const lock = await takeLock(openView(host.root, {}), '/var/lib/kata-sysext/lock', 'gc', { seconds: 0 });

    const error = await host.json(['install', second], 75);
    await lock.release();

    assert.equal(error['kind'], 'Error');
    assert.deepEqual(differences(before, host.listing()), []);
  });
});
