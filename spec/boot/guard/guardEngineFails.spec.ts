import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { stopAfter } from '../../support/endings.ts';
import { differences } from '../../support/judges/fingerprint.ts';
import { blessed, type GuardedBoots, guardedBoots, guardUnits } from '../../support/live/guardedBoots.ts';
import { dependent, etcOf, handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

/** What the guard holds against a generation, and what it does not. */
describe('the boot guard where an engine, or a boot, is not as it should be', function () {
  this.timeout(900_000);
  let live: Live;
  let boots: GuardedBoots;
  let untouched: string[];

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    boots = guardedBoots(live);
    untouched = etcOf(live);
  });
  stopAfter(() => live);

  it('an engine that comes up only without our part runs without it, and what requires it is started; one that comes up in no way keeps it', async () => {
    // PID 1 has run the units of the guard once.
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await boots.boot();
    await boots.activeAfterGuard();
    await live.json(['uninstall', '--purge']);
    const listed = await live.host.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'kata-sysext*']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const seen: unknown[] = [];

    await boots.enginePasses('! grep -q kata-sysext /etc/containerd/config.toml');
    await boots.boot();
    seen.push(await boots.activeAfterGuard(), await handlersOf(live), await isActive(dependent));
    await boots.enginePasses('true');
    await live.json(['activate', '1']);
    await boots.enginePasses('false');
    await live.host.reboot();
    seen.push(await boots.activeAfterGuard());
    await boots.enginePasses('true');
    await live.host.sh('systemctl reset-failed containerd; systemctl restart containerd');
    await waitForCri(live.host, SOCKET);

    assert.equal(listed.stdout, '', 'PID 1 has forgotten the units that ran at the boot');
    assert.deepEqual(seen, ['none', ['runc'], 'active', 1]);
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    await live.host.sh('rm -r /etc/systemd/system/containerd.service.d; systemctl daemon-reload');
  });

  it('an engine that was down for what has passed keeps our part, and is blessed with it', async () => {
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);

    // Until it was started once without our part, it starts in no way.
    await boots.enginePasses('[ -e /run/well ] || { grep -q kata-sysext /etc/containerd/config.toml || touch /run/well; false; }');
    await live.host.reboot();
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed', 400_000);
    const { entries } = (await live.json(['history'])) as { entries: { verb: string; from?: number; to?: number }[] };

    assert.deepEqual(
      entries.slice(-2).map(({ verb, from, to }) => [verb, from, to]),
      [
        ['boot', 1, undefined],
        ['boot', undefined, 1],
      ],
    );
    assert.deepEqual([await boots.stateOf(1), await handlersOf(live)], ['blessed', ['kata-qemu-runtime-rs', 'runc']]);
    await live.host.sh('rm -r /etc/systemd/system/containerd.service.d; systemctl daemon-reload');
  });

  it('an engine that systemd gave up on is started once more where a MachineConfig keeps our part in', async () => {
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const owned = {
      metadata: { name: 'rendered-worker-0' },
      spec: { config: { storage: { files: [{ path: '/etc/containerd/config.toml' }] } } },
    };
    const note = '/etc/machine-config-daemon/currentconfig';
    await live.host.sh(`mkdir -p ${note.slice(0, note.lastIndexOf('/'))}; cat > ${note}`, { input: JSON.stringify(owned) });
    await boots.enginePasses('for n in 1 2 3 4 5; do mkdir /run/fault$$n && exit 1; done 2>/dev/null; true');
    await live.host.sh('printf "[Unit]\nStartLimitIntervalSec=600\n" > /etc/systemd/system/containerd.service.d/limit.conf');

    await boots.boot();
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed', 400_000);
    const log = (await live.host.run(['journalctl', '-b', '-u', guardUnits[2], '-o', 'cat', '--no-pager'])).stdout;

    assert.match(
      log,
      /generation 1 should be rolled back .*, and stays as it is: \/etc\/containerd\/config\.toml is written by a MachineConfig/,
    );
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    await live.host.sh('rm -r /etc/machine-config-daemon /etc/systemd/system/containerd.service.d; systemctl daemon-reload');
  });

  it('blesses nothing in a boot that greenboot calls unhealthy', async () => {
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    // A stand-in with the name and the place of greenboot's unit: no Debian has greenboot. What it waits for takes longer than the engine.
    await live.host.sh(
      `printf '[Unit]\nBefore=boot-complete.target\nAfter=late.service\nWants=late.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "sleep 3; test -e /etc/healthy"\n' > /etc/systemd/system/greenboot-healthcheck.service; printf '[Service]\nType=oneshot\nExecStart=/bin/sleep 20\n' > /etc/systemd/system/late.service; ln -s ../greenboot-healthcheck.service /etc/systemd/system/multi-user.target.wants/`,
    );
    const seen: unknown[] = [];

    await boots.boot();
    seen.push(await boots.activeAfterGuard(), existsSync(`${live.host.root}${blessed}`));
    await live.host.sh('touch /etc/healthy');
    await boots.boot();
    seen.push(await boots.activeAfterGuard(), existsSync(`${live.host.root}${blessed}`));

    assert.deepEqual(seen, [1, false, 1, true]);
    await live.host.sh(
      'rm /etc/healthy /etc/systemd/system/late.service /etc/systemd/system/greenboot-healthcheck.service /etc/systemd/system/multi-user.target.wants/greenboot-healthcheck.service; systemctl daemon-reload',
    );
  });

  it('a boot into rescue mode is no try', async () => {
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    // In place of the shell on a console that nobody sits at.
    const shell = '[Service]\\nExecStart=\\nExecStart=/bin/sleep infinity\\n';
    const unit = '/etc/systemd/system/rescue.service.d';
    await live.host.sh(`mkdir ${unit}; printf '${shell}' > ${unit}/lab.conf; systemctl set-default rescue.target`);

    await live.host.reboot({ repairs: true });
    const mode = await live.host.sh('systemctl is-system-running || true; systemctl is-active containerd || true');
    const first = (await boots.ran())[guardUnits[0]];
    const records = await live.host.sh('cat /var/lib/kata-sysext/generations/*/record.json');
    await live.host.sh(`rm -r ${unit} /etc/systemd/system/default.target`);

    assert.deepEqual(mode.stdout.trim().split('\n'), ['maintenance', 'inactive']);
    assert.equal(first, 'yes');
    assert.doesNotMatch(records.stdout, /"boots": [1-9]/);
    await boots.boot();
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
  });

  it('nor is one into a target of its own that brings the engine and not what blesses', async () => {
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const kiosk = '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=containerd.service\nAllowIsolate=yes\n';
    await live.host.sh('cat > /etc/systemd/system/kiosk.target; systemctl set-default kiosk.target', { input: kiosk });

    await boots.boot();
    const seen = await boots.ran();
    const records = await live.host.sh('cat /var/lib/kata-sysext/generations/*/record.json');
    await live.host.sh('rm /etc/systemd/system/kiosk.target /etc/systemd/system/default.target');

    assert.deepEqual(seen, { [guardUnits[0]]: 'yes', [guardUnits[1]]: 'no', [guardUnits[2]]: 'no' });
    assert.doesNotMatch(records.stdout, /"boots": [1-9]/);
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    await live.json(['uninstall', '--purge']);
    assert.deepEqual(differences(untouched, etcOf(live)), []);
  });

  async function isActive(unit: string): Promise<string> {
    return (await live.host.run(['systemctl', 'is-active', unit], { allowFailure: true })).stdout.trim();
  }
});
