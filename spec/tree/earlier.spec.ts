import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { asEarlier } from '../support/trees/earlier.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const shim = 'runtime-rs/bin/containerd-shim-kata-v2';

describe('payloads that earlier versions stored in another form', function () {
  this.timeout(300_000);
  let host: TreeHost;
  afterEach(() => host.remove());

  for (const inside of ['', '/usr/libexec/kata'] as const) {
    it(`prefix, ${inside === '' ? 'nothing around the release' : `the release in ${inside}`}: is used, upgraded, come back to, and removed without a trace`, async () => {
      host = treeHost('microos', sysextHost);
      const before = host.fingerprint();
      const { first, second } = await releases();
      await host.json(['install', first]);
      const folder = asEarlier(host, inside);

      const drift = [await driftOf(host)];
      writeFileSync(host.path(`${folder.slice(1)}/${shim}`), 'damaged');
      drift.push(await driftOf(host));
      const again = await host.json(['install', first]);
      drift.push(await driftOf(host));
      await host.json(['install', second]);
      await host.json(['gc', '--keep', '0']);
      await host.json(['uninstall', '--purge']);

      assert.deepEqual(
        drift.map(({ length }) => length),
        [0, 1, 0],
      );
      assert.equal(again['to'], 2);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }

  for (const backend of ['sysext', 'overlay']) {
    it(`${backend}, the release in /usr/libexec/kata: is what verify expects; the wiring goes along with an upgrade and comes back with a rollback`, async () => {
      host = treeHost('microos', sysextHost);
      const before = host.fingerprint();
      const { first, second } = await releases();
      await host.json(['install', first, '--backend', backend]);
      const folder = asEarlier(host, '/usr/libexec/kata');
      const link = backend === 'sysext' ? 'etc/extensions/kata' : 'etc/kata-sysext/overlay';
      const shown = (): [string, boolean] => [
        wiredTo(host),
        existsSync(
          host.path(
            `${readlinkSync(host.path(link)).slice(1)}/${backend === 'sysext' ? 'usr/' : ''}${wiredTo(host).slice('/usr/'.length)}`,
          ),
        ),
      ];

      const drift = [...(await driftOf(host))];
      const told = [shown()];
      await host.json(['install', second]);
      told.push(shown());
      drift.push(...(await driftOf(host)));
      await host.json(['rollback']);
      told.push(shown());
      drift.push(...(await driftOf(host)));
      const config = readFileSync(host.path('var/lib/kata-sysext/generations/1/config/kata-qemu-runtime-rs/configuration.toml'), 'utf8');
      await host.json(['uninstall', '--purge']);

      assert.deepEqual(drift, []);
      assert.deepEqual(told, [
        [`/usr/libexec/kata/${shim}`, true],
        [`/usr/share/kata/${shim}`, true],
        [`/usr/libexec/kata/${shim}`, true],
      ]);
      assert.match(config, /"\/usr\/libexec\/kata\//);
      assert.match(folder, /\/usr\/libexec\/kata$/);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }
});

function sysextHost(root: string): void {
  put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
  put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
  // What a unit of backend overlay runs at boot.
  for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
}

async function driftOf(host: TreeHost): Promise<unknown[]> {
  const { stdout } = await host.run(['verify', '--json']);
  return (JSON.parse(stdout) as { drift: unknown[] }).drift;
}

function wiredTo(host: TreeHost): string {
  const text = execFileSync('grep', ['-rh', 'runtime_path', host.path('etc/containerd')], { encoding: 'utf8' });
  return /runtime_path = "(.*)"/.exec(text)![1]!;
}
