import assert from 'node:assert/strict';
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
