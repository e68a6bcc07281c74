import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { stopAfter } from '../../support/endings.ts';
import { differences } from '../../support/judges/fingerprint.ts';
import { dependent, etcOf, handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

const blessed = '/etc/systemd/system/kata-sysext-recover.service.d/50-blessed.conf';
const units = ['kata-sysext-recover.service', 'kata-sysext-rewire.service', 'kata-sysext-confirm.service'];

/** The guard of a boot, on a real PID 1. What a boot left is judged by the CRI, by files and by what systemd says of the units. */
describe('the boot guard', function () {
  this.timeout(900_000);
  let live: Live;
  let untouched: string[];

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    untouched = etcOf(live);
  });
  stopAfter(() => live);

  it('settles what a loss of power left, before the engine starts', async () => {
    await live.kata(['install', live.bundle(live.first), '--backend', 'prefix'], { KATA_SYSEXT_FAILPOINT: 'step/restart/before=kill' });
    const torn = differences(untouched, etcOf(live));

    await boot({ crash: true });

    assert.notEqual(torn.length, 0);
    assert.deepEqual(differences(untouched, etcOf(live)), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('blesses a generation that works after a boot, and is skipped by the next one', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);

    await boot();
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
    const first = await ran();
    await boot();
    const second = await ran();

    assert.deepEqual(first, { [units[0]!]: 'yes', [units[1]!]: 'yes', [units[2]!]: 'yes' });
    assert.deepEqual(second, { [units[0]!]: 'no', [units[1]!]: 'no', [units[2]!]: 'no' });
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    assert.equal(await stateOf((await live.json(['status']))['active'] as number), 'blessed');
    assert.equal((await live.host.run(['systemctl', 'is-system-running'], { allowFailure: true })).stdout.trim(), 'running');
  });

  it('goes back to the generation that was blessed when files of the active one are gone', async () => {
    const good = (await live.json(['status']))['active'] as number;
    await live.json(['install', live.bundle(live.second)]);
    const bad = (await live.json(['status']))['active'] as number;
    await live.host.sh('rm $(find /etc/kata-sysext/current/payload/ -name containerd-shim-kata-v2)');

    await boot();

    assert.equal((await live.json(['status']))['active'], good);
    assert.equal(await stateOf(bad), 'failed');
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    const { entries } = (await live.json(['history'])) as { entries: { verb: string; reason: string; from: number; to: number }[] };
    const { verb, reason, from, to } = entries.at(-1)!;
    assert.deepEqual([verb, from, to], ['boot', bad, good]);
    assert.match(reason, /missing or changed/);
  });

  it('boots with the program deleted', async () => {
    await activeAfterGuard();
    await live.json(['install', live.bundle(live.second)]);
    const program = (await live.host.sh('ls /var/lib/kata-sysext/bin/*/kata-sysext')).stdout.trim();
    await live.host.sh(`mv ${program} /root/program`);

    await boot();

    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    assert.deepEqual(await ran(), { [units[0]!]: 'no', [units[1]!]: 'no', [units[2]!]: 'no' });
    await live.host.sh(`mv /root/program ${program}`);
  });

  for (const backend of ['sysext', 'overlay']) {
    it(`backend ${backend}: what is below /usr after the boot is the generation that was blessed`, async () => {
      await live.json(['install', live.bundle(live.first), '--backend', backend]);
      const wanted = await shimBelowUsr();
      await boot();
      await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
      await live.json(['install', live.bundle(live.second)]);
      const bad = await shimBelowUsr();
      await live.host.sh('rm $(find /etc/kata-sysext/current/payload/ -name vmlinux.container)');

      await boot();

      assert.notEqual(bad, wanted);
      assert.equal(await shimBelowUsr(), wanted);
      assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    });
  }

  it('an engine that comes up only without our part runs without it, and what requires it is started; one that comes up in no way keeps it', async () => {
    await live.json(['uninstall', '--purge']);
    const listed = await live.host.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'kata-sysext*']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const seen: unknown[] = [];

    await enginePasses('! grep -q kata-sysext /etc/containerd/config.toml');
    await boot();
    seen.push(await activeAfterGuard(), await handlersOf(live), await isActive(dependent));
    await enginePasses('true');
    await live.json(['activate', '1']);
    await enginePasses('false');
    await live.host.reboot();
    seen.push(await activeAfterGuard());
    await enginePasses('true');
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
    await enginePasses('[ -e /run/well ] || { grep -q kata-sysext /etc/containerd/config.toml || touch /run/well; false; }');
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
    assert.deepEqual([await stateOf(1), await handlersOf(live)], ['blessed', ['kata-qemu-runtime-rs', 'runc']]);
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
    await enginePasses('for n in 1 2 3 4 5; do mkdir /run/fault$$n && exit 1; done 2>/dev/null; true');
    await live.host.sh('printf "[Unit]\nStartLimitIntervalSec=600\n" > /etc/systemd/system/containerd.service.d/limit.conf');

    await boot();
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed', 400_000);
    const log = (await live.host.run(['journalctl', '-b', '-u', units[2]!, '-o', 'cat', '--no-pager'])).stdout;

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

    await boot();
    seen.push(await activeAfterGuard(), existsSync(`${live.host.root}${blessed}`));
    await live.host.sh('touch /etc/healthy');
    await boot();
    seen.push(await activeAfterGuard(), existsSync(`${live.host.root}${blessed}`));

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
    const first = (await ran())[units[0]!];
    const records = await live.host.sh('cat /var/lib/kata-sysext/generations/*/record.json');
    await live.host.sh(`rm -r ${unit} /etc/systemd/system/default.target`);

    assert.deepEqual(mode.stdout.trim().split('\n'), ['maintenance', 'inactive']);
    assert.equal(first, 'yes');
    assert.doesNotMatch(records.stdout, /"boots": [1-9]/);
    await boot();
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
  });

  it('nor is one into a target of its own that brings the engine and not what blesses', async () => {
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const kiosk = '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=containerd.service\nAllowIsolate=yes\n';
    await live.host.sh('cat > /etc/systemd/system/kiosk.target; systemctl set-default kiosk.target', { input: kiosk });

    await boot();
    const seen = await ran();
    const records = await live.host.sh('cat /var/lib/kata-sysext/generations/*/record.json');
    await live.host.sh('rm /etc/systemd/system/kiosk.target /etc/systemd/system/default.target');

    assert.deepEqual(seen, { [units[0]!]: 'yes', [units[1]!]: 'no', [units[2]!]: 'no' });
    assert.doesNotMatch(records.stdout, /"boots": [1-9]/);
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
  });

  it('gives a generation up that is not blessed in three boots, and none is active where none was blessed', async () => {
    await live.json(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    // The engine reads another file: it serves, and knows nothing of our handler.
    await live.host.sh(
      `cp /etc/containerd/config.toml /etc/containerd/other.toml && sed -i '/kata-sysext/,$d' /etc/containerd/other.toml && mkdir -p /etc/systemd/system/containerd.service.d && printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/containerd -c /etc/containerd/other.toml\\n' > /etc/systemd/system/containerd.service.d/other.conf`,
    );
    const seen: unknown[] = [];
    for (let count = 1; count <= 4; count++) {
      await boot();
      seen.push((await live.json(['status']))['active'] ?? 'none');
    }

    assert.deepEqual(seen, [1, 1, 1, 'none']);
    assert.deepEqual(await handlersOf(live), ['runc']);
    await live.host.sh(
      'rm -r /etc/systemd/system/containerd.service.d /etc/containerd/other.toml; systemctl daemon-reload; systemctl restart containerd',
    );
    await live.json(['uninstall', '--purge']);
    assert.deepEqual(differences(untouched, etcOf(live)), []);
  });

  async function boot(options: Parameters<Live['host']['reboot']>[0] = {}): Promise<void> {
    await live.host.reboot(options);
    await waitForCri(live.host, SOCKET);
  }

  /** Whether the program of each unit was started in this boot. */
  async function ran(): Promise<Record<string, string>> {
    const rows: Record<string, string> = {};
    for (const unit of units) {
      const { stdout } = await live.host.run(['systemctl', 'show', unit, '-p', 'ExecMainStartTimestampMonotonic', '--value']);
      rows[unit] = stdout.trim() === '0' ? 'no' : 'yes';
    }
    return rows;
  }

  /** The lab's fault: the engine starts only where this shell command says so. */
  async function enginePasses(test: string): Promise<void> {
    await live.host.sh(
      `mkdir -p /etc/systemd/system/containerd.service.d && printf '[Service]\\nRestartSec=1\\nExecStartPre=/bin/sh -c "%s"\\n' '${test}' > /etc/systemd/system/containerd.service.d/lab.conf; systemctl daemon-reload`,
    );
  }

  async function activeAfterGuard(): Promise<unknown> {
    const ended = async () =>
      (await live.host.run(['systemctl', 'show', units[2]!, '-p', 'ActiveState', '--value'])).stdout.trim() === 'inactive';
    await until(ended, 'the guard has ended', 400_000);
    return (await live.json(['status']))['active'] ?? 'none';
  }

  async function isActive(unit: string): Promise<string> {
    return (await live.host.run(['systemctl', 'is-active', unit], { allowFailure: true })).stdout.trim();
  }

  async function shimBelowUsr(): Promise<string> {
    return (await live.host.sh('sha256sum $(find /usr/share/kata -name containerd-shim-kata-v2)')).stdout.slice(0, 64);
  }

  async function stateOf(number: number): Promise<string> {
    const { generations } = (await live.json(['status'])) as { generations: { number: number; state: string }[] };
    return generations.find((each) => each.number === number)?.state ?? 'gone';
  }
});
