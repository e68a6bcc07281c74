import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { stopAfter } from '../../support/endings.ts';
import { differences } from '../../support/judges/fingerprint.ts';
import { blessed, type GuardedBoots, guardedBoots, guardUnits } from '../../support/live/guardedBoots.ts';
import { etcOf, handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';
import { planned } from '../../support/plan.ts';

/** The guard of a boot, on a real PID 1. What a boot left is judged by the CRI, by files and by what systemd says of the units. */
describe('the boot guard', function () {
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

  it('settles what a loss of power left, before the engine starts', async () => {
    await live.kata(['install', live.bundle(live.first), '--backend', 'prefix'], { KATA_SYSEXT_FAILPOINT: 'step/restart/before=kill' });
    const torn = differences(untouched, etcOf(live));

    await boots.boot({ crash: true });

    assert.notEqual(torn.length, 0);
    assert.deepEqual(differences(untouched, etcOf(live)), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('blesses a generation that works after a boot, and is skipped by the next one', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);

    await boots.boot();
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
    const first = await boots.ran();
    await boots.boot();
    const second = await boots.ran();

    assert.deepEqual(first, { [guardUnits[0]]: 'yes', [guardUnits[1]]: 'yes', [guardUnits[2]]: 'yes' });
    assert.deepEqual(second, { [guardUnits[0]]: 'no', [guardUnits[1]]: 'no', [guardUnits[2]]: 'no' });
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    assert.equal(await boots.stateOf((await live.json(['status']))['active'] as number), 'blessed');
    assert.equal((await live.host.run(['systemctl', 'is-system-running'], { allowFailure: true })).stdout.trim(), 'running');
  });

  it('goes back to the generation that was blessed when files of the active one are gone', async () => {
    const good = (await live.json(['status']))['active'] as number;
    await live.json(['install', live.bundle(live.second)]);
    const bad = (await live.json(['status']))['active'] as number;
    await live.host.sh('rm $(find /etc/kata-sysext/current/payload/ -name containerd-shim-kata-v2)');

    await boots.boot();

    assert.equal((await live.json(['status']))['active'], good);
    assert.equal(await boots.stateOf(bad), 'failed');
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    const { entries } = (await live.json(['history'])) as { entries: { verb: string; reason: string; from: number; to: number }[] };
    const { verb, reason, from, to } = entries.at(-1)!;
    assert.deepEqual([verb, from, to], ['boot', bad, good]);
    assert.match(reason, /missing or changed/);
  });

  it('boots with the program deleted', async () => {
    await boots.activeAfterGuard();
    await live.json(['install', live.bundle(live.second)]);
    const program = (await live.host.sh('ls /var/lib/kata-sysext/bin/*/kata-sysext')).stdout.trim();
    await live.host.sh(`mv ${program} /root/program`);

    await boots.boot();

    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    assert.deepEqual(await boots.ran(), { [guardUnits[0]]: 'no', [guardUnits[1]]: 'no', [guardUnits[2]]: 'no' });
    await live.host.sh(`mv /root/program ${program}`);
  });

  for (const backend of planned(import.meta.url, ['sysext', 'overlay'], 1)) {
    it(`backend ${backend}: what is below /usr after the boot is the generation that was blessed`, async () => {
      await live.json(['install', live.bundle(live.first), '--backend', backend]);
      const wanted = await shimBelowUsr();
      await boots.boot();
      await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
      await live.json(['install', live.bundle(live.second)]);
      const bad = await shimBelowUsr();
      await live.host.sh('rm $(find /etc/kata-sysext/current/payload/ -name vmlinux.container)');

      await boots.boot();

      assert.notEqual(bad, wanted);
      assert.equal(await shimBelowUsr(), wanted);
      assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    });
  }

  it('gives a generation up that is not blessed in three boots, and none is active where none was blessed', async () => {
    await live.json(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    // The engine reads another file: it serves, and knows nothing of our handler.
    await live.host.sh(
      `cp /etc/containerd/config.toml /etc/containerd/other.toml && sed -i '/kata-sysext/,$d' /etc/containerd/other.toml && mkdir -p /etc/systemd/system/containerd.service.d && printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/containerd -c /etc/containerd/other.toml\\n' > /etc/systemd/system/containerd.service.d/other.conf`,
    );
    const seen: unknown[] = [];
    for (let count = 1; count <= 4; count++) {
      await boots.boot();
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

  async function shimBelowUsr(): Promise<string> {
    return (await live.host.sh('sha256sum $(find /usr/share/kata -name containerd-shim-kata-v2)')).stdout.slice(0, 64);
  }
});
