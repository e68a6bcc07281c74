import assert from 'node:assert/strict';
import { mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { differences } from '../support/fingerprint.ts';
import { releases, type TreeHost, treeHost } from '../support/treeHost.ts';

const other = 'ostree/deploy/fedora-coreos/deploy/abc.0/etc/kata-sysext';

/** /var is shared by the deployments of an ostree host, /etc is not: what another deployment points at is not ours to remove. */
describe('an ostree host whose other deployment uses a generation', () => {
  let host: TreeHost;

  beforeEach(async () => {
    const { first, second } = await releases();
    host = treeHost('fcos');
    await host.json(['install', first]);
    mkdirSync(host.path(other), { recursive: true });
    symlinkSync(readlinkSync(host.path('etc/kata-sysext/current')), host.path(`${other}/current`));
    await host.json(['install', second]);
  });

  afterEach(() => host.remove());

  it('gc keeps it', async () => {
    await host.json(['install', (await releases()).first, '--handler', 'qemu-runtime-rs', '--handler', 'dragonball']);
    const done = await host.json(['gc', '--keep', '0']);

    assert.deepEqual(done['removedGenerations'], []);
    await host.json(['rollback', '--to', '1']);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('uninstall --purge keeps its generation, payload and story, and takes ours away', async () => {
    const kept = host.fingerprint().filter((line) => line.includes('generations/1/'));

    const dry = await host.json(['uninstall', '--purge', '--dry-run']);
    const done = await host.json(['uninstall', '--purge']);

    const after = host.fingerprint();
    assert.equal(dry['kind'], 'Plan');
    assert.deepEqual(done['findings'], [], 'what stays for it is no file of somebody else');
    assert.deepEqual(
      differences(
        kept,
        after.filter((line) => line.includes('generations/1/')),
      ),
      [],
    );
    assert.ok(
      after.some((line) => line.includes('containerd-shim-kata-v2')),
      'its payload is there',
    );
    assert.ok(!after.some((line) => line.includes('generations/2/')), 'ours is gone');
    assert.ok(!after.some((line) => line.startsWith('./etc/kata-sysext')), 'our pointer is gone');
    const again = await host.json(['uninstall', '--dry-run']);
    assert.equal(again['kind'], 'Plan');
  });
});
