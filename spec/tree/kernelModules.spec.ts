import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const file = 'etc/modules-load.d/kata-sysext.conf';
const kernel = 'usr/lib/modules/6.12.9-test';

describe('kernel modules on a host tree', () => {
  let host: TreeHost;
  let first: string;
  let second: string;

  before(async () => {
    ({ first, second } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
    put(host.root, `${kernel}/modules.dep`, 'kernel/drivers/vhost/vhost_vsock.ko.xz:\nkernel/drivers/vhost/vhost_net.ko.xz:\n');
    put(host.root, `${kernel}/modules.builtin`, 'kernel/drivers/net/tun.ko\n');
  });
  afterEach(() => host.remove());

  const kept = () => (existsSync(host.path(file)) ? readFileSync(host.path(file), 'utf8').split('\n').slice(1, -1) : []);

  it('are in the plan with their lines, kept by an install, and gone with the folder after an uninstall', async () => {
    const before = host.fingerprint();

    const plan = (await host.json(['install', first, '--dry-run'])) as { steps: { kind: string; text: string; diff?: string[] }[] };
    await host.json(['install', first]);
    const [names, again] = [kept(), await host.json(['install', first])];
    await host.json(['uninstall', '--purge']);

    const step = plan.steps.find(({ text }) => text === `create /${file}`);
    assert.deepEqual(step?.diff, ['+vhost_vsock', '+vhost_net']);
    assert.ok(plan.steps.some(({ text }) => text === 'make the folder /etc/modules-load.d'));
    assert.deepEqual([names, again['changed']], [['vhost_vsock', 'vhost_net'], false]);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('are put back by an undo, wherever the change is killed around the file', async () => {
    const before = host.fingerprint();
    for (const point of ['step/file/journalled@2', 'step/file/after@2', 'commit/before@1']) {
      const killed = await host.run(['install', first], { env: { KATA_SYSEXT_FAILPOINT: point.replace('@', '=kill@') } });
      await host.json(['recover']);

      assert.notEqual(killed.status, 0, point);
      assert.deepEqual(differences(before, host.fingerprint(['var/lib/kata-sysext'])), [], point);
    }
  });

  it('are left alone with --no-load-modules, through an upgrade and a rollback, until an install without it', async () => {
    await host.json(['install', first, '--no-load-modules']);
    const off = kept();
    await host.json(['configure', '--set', 'default_memory=1024']);
    const configured = kept();
    await host.json(['install', second]);
    const on = kept();
    await host.json(['rollback']);

    const back = kept();

    assert.deepEqual([off, configured, on, back], [[], [], ['vhost_vsock', 'vhost_net'], []]);
  });

  it('leave a file of that name that another program made, and say so', async () => {
    put(host.root, file, 'vhost_vsock\n');

    const change = (await host.json(['install', first])) as { findings: { code: string; level: string; found: string }[] };
    await host.json(['uninstall', '--purge']);

    const told = change.findings.find(({ code }) => code === 'foreign-file');
    assert.equal(told?.level, 'warning');
    assert.match(told?.found ?? '', /modules-load\.d\/kata-sysext\.conf is no file of kata-sysext; it stays/);
    assert.equal(readFileSync(host.path(file), 'utf8'), 'vhost_vsock\n');
  });

  it('leave a file that another program edited as it is, through an upgrade and an uninstall, and say so', async () => {
    await host.json(['install', first]);
    const edited = `${readFileSync(host.path(file), 'utf8')}br_netfilter\n`;
    writeFileSync(host.path(file), edited);

    const upgrade = (await host.json(['install', second])) as { findings: { code: string }[] };
    const plan = (await host.json(['uninstall', '--purge', '--dry-run'])) as { findings: { code: string; found: string }[] };
    await host.json(['uninstall', '--purge']);

    assert.equal(readFileSync(host.path(file), 'utf8'), edited);
    // Its names are in the file: nothing is lost.
    assert.deepEqual(
      upgrade.findings.filter(({ code }) => code === 'foreign-file'),
      [],
    );
    const told = plan.findings.find(({ code }) => code === 'foreign-file');
    assert.match(told?.found ?? '', /modules-load\.d\/kata-sysext\.conf was edited; it stays$/);
  });

  it('that the kernel of the tree has not are a warning of check and of the install, which goes on', async () => {
    put(host.root, `${kernel}/modules.dep`, 'kernel/drivers/vhost/vhost_net.ko.xz:\n');

    const check = (await host.json(['check'])) as { ready: boolean; findings: { code: string; level: string; found: string }[] };
    const change = (await host.json(['install', first])) as typeof check & { changed: boolean };

    for (const { findings } of [check, change]) {
      const told = findings.filter(({ code }) => code === 'handler-needs-module');
      assert.deepEqual(
        told.map(({ level }) => level),
        ['warning'],
      );
      assert.match(told[0]!.found, /in no kernel below \/usr\/lib\/modules: vhost_vsock$/);
    }
    assert.deepEqual([check.ready, change.changed, kept()], [true, true, ['vhost_net']]);
  });
});
