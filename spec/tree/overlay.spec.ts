import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { engineUnits } from '../../cli/engines/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const unit = 'etc/systemd/system/kata-sysext-overlay.service';
const wants = 'etc/systemd/system/sysinit.target.wants/kata-sysext-overlay.service';
const link = 'etc/kata-sysext/overlay';

/** What the unit runs. */
function withPrograms(root: string): void {
  for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
}

describe('backend overlay in an offline tree', () => {
  let host: TreeHost;
  afterEach(() => host.remove());

  for (const name of ['fcos', 'microos'] as const) {
    it(`${name}: install, upgrade, move to prefix and back, rollback, uninstall --purge leaves the tree as it was`, async () => {
      host = treeHost(name, withPrograms);
      const before = host.fingerprint();
      const { first, second } = await releases();

      await host.json(['install', first, '--backend', 'overlay']);
      const layer = readlinkSync(host.path(link));
      const written = [readFileSync(host.path(unit), 'utf8'), statSync(host.path(unit)).mode & 0o7777, readlinkSync(host.path(wants))];
      const shim = existsSync(host.path(`${layer.slice(1)}/share/kata/runtime-rs/bin/containerd-shim-kata-v2`));
      const config = execFileSync('grep', ['-rh', 'runtime_path', host.path('etc/containerd')]).toString();
      await host.json(['install', second]);
      const upgraded = readlinkSync(host.path(link));
      await host.json(['install', second, '--backend', 'prefix']);
      const gone = [unit, wants, link].map((path) => existsSync(host.path(path)));
      await host.json(['install', second, '--backend', 'overlay']);
      await host.json(['verify']);
      await host.json(['rollback']);
      await host.json(['rollback']);
      const back = readlinkSync(host.path(link));
      await host.json(['uninstall', '--purge']);

      const root = name === 'fcos' ? '/var/usrlocal/libexec/kata-sysext' : '/var/lib/kata-sysext';
      assert.match(layer, new RegExp(`^${root}/tree/[0-9a-f]{64}/usr$`));
      assert.deepEqual(written, [
        readFileSync(new URL('../../units/kata-sysext-overlay.service', import.meta.url), 'utf8').replace('{{engines}}', engineUnits()),
        0o644,
        '../kata-sysext-overlay.service',
      ]);
      assert.ok(shim);
      assert.match(config, /runtime_path = "\/usr\/share\/kata\/runtime-rs\/bin\/containerd-shim-kata-v2"/);
      assert.notEqual(upgraded, layer);
      assert.deepEqual(gone, [false, false, false]);
      assert.equal(back, upgraded);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }

  it('a unit of ours from another version is replaced, and somebody’s own is left alone', async () => {
    host = treeHost('microos', withPrograms);
    const { first } = await releases();
    put(host.root, unit, '# Made by kata-sysext and removed with it.\n[Service]\n');
    const foreign = treeHost('microos', (root) => {
      withPrograms(root);
      put(root, unit, '[Service]\nExecStart=/bin/true\n');
    });

    await host.json(['install', first, '--backend', 'overlay']);
    const refused = await foreign.json(['install', first, '--backend', 'overlay'], 3);

    assert.match(readFileSync(host.path(unit), 'utf8'), /exec mount -t overlay/);
    assert.equal(refused['code'], 'overlay-unit-taken');
    assert.equal(readFileSync(foreign.path(unit), 'utf8'), '[Service]\nExecStart=/bin/true\n');
    foreign.remove();
  });

  it('a unit of another version is drift, which the next upgrade mends', async () => {
    host = treeHost('microos', withPrograms);
    const { first, second } = await releases();
    await host.json(['install', first, '--backend', 'overlay']);
    appendFileSync(host.path(unit), '# of another version\n');

    const { drift } = (await host.json(['verify'], 1)) as { drift: { found: string }[] };
    await host.json(['install', second]);
    const { drift: mended } = await host.json(['verify']);

    assert.deepEqual(
      drift.map(({ found }) => found),
      [`overlay: /${unit} is not the unit of this version`],
    );
    assert.deepEqual(mended, []);
  });
});
