import assert from 'node:assert/strict';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('an engine whose unit names its configuration by a path with ..', () => {
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('microos');
    const start = '/usr/sbin/containerd --config /etc/containerd/../containerd/config.toml';
    put(host.root, 'etc/systemd/system/containerd.service', `[Service]\nExecStart=${start}\n`);
  });

  afterEach(() => host.remove());

  it('is installed, told, killed in the middle, recovered, and left as it was', async () => {
    const before = host.fingerprint();

    await host.run(['install', first], { env: { KATA_SYSEXT_FAILPOINT: 'step/pointer/after=kill' } });
    const recovered = await host.json(['recover']);
    await host.json(['install', first]);
    const verified = await host.json(['verify']);
    await host.json(['status']);
    await host.json(['uninstall', '--purge']);

    assert.equal((recovered['recovered'] as unknown[]).length, 1);
    assert.deepEqual(verified['drift'], []);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });
});
