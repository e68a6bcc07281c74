import assert from 'node:assert/strict';
import { crioRunc, PAUSE } from '../lab/containerd.ts';
import { CRIO_SOCKET, CRIO_VERSION } from '../lab/crio.ts';
import { JUDGE } from '../lab/judge.ts';
import { crioNetwork, networkFiles } from '../lab/network.ts';
import { type Pod, podRuns, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { crioHandlers, crioHost, crioUnit, dropIns, importImages, needCrio } from '../support/live/crioHost.ts';
import { etcOf, type Live, runsOf } from '../support/live/liveHost.ts';
import { provePods } from '../support/live/podHost.ts';
import { until } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
const pids = 'its own';
const runc = (name: string) =>
  `[crio.runtime.runtimes.${name}]\nruntime_path = "/etc/lab/bin/runc"\nruntime_root = "/run/runc"\nmonitor_path = "/mnt/crio/conmon"\n`;

/** With pods by upstream's pinns and Debian's conmon. A failure of the first test means that a reload would do: then the plan needs no restart. */
describe(`CRI-O ${CRIO_VERSION}, with pods`, function () {
  this.timeout(900_000);
  let live: Live;
  let pod: Pod;
  let atStart: string[];

  before(async function () {
    await needCrio(this);
    live = await crioHost({
      ...networkFiles(),
      ...crioNetwork(PAUSE),
      ...crioRunc(),
      [`${dropIns}/15-lab-runc.conf`]: runc('runc'),
      // The judge looks here.
      '/etc/tmpfiles.d/lab-crio.conf': `d /run/containerd\nL ${SOCKET} - - - - ${CRIO_SOCKET}\n`,
    });
    await importImages(live);
    pod = await runPod(live.host, 'runc', 'long', pids);
    atStart = etcOf(live);
  });
  stopAfter(() => live);

  it('lists a handler of a new drop-in after a reload, and cannot run it; after a restart it can', async () => {
    await live.host.sh(`cat > ${dropIns}/60-second.conf`, { input: runc('second') });
    const before = await runsOf(live, [crioUnit]);
    await live.host.run(['systemctl', 'reload', crioUnit]);
    await until(async () => (await crioHandlers(live)).includes('second'), 'the reload is done');

    const failed = await runPod(live.host, 'second', 'reloaded').then(
      () => 'it ran',
      (error: unknown) => String(error),
    );
    const same = await runsOf(live, [crioUnit]);
    await live.host.run(['systemctl', 'restart', crioUnit]);
    await waitForCri(live.host, CRIO_SOCKET);

    assert.match(failed, /failed to find runtime handler second from runtime list/);
    assert.deepEqual(same, before);
    await podRuns(live.host, 'second', 'restarted', pids);
  });

  it('still runs a handler whose drop-in is gone after a reload', async () => {
    await live.host.sh(`rm ${dropIns}/60-second.conf`);
    await live.host.run(['systemctl', 'reload', crioUnit]);
    await until(async () => !(await crioHandlers(live)).includes('second'), 'the reload is done');

    await podRuns(live.host, 'second', 'removed', pids);

    await live.host.run(['systemctl', 'restart', crioUnit]);
    await waitForCri(live.host, CRIO_SOCKET);
  });

  it('so the plan has a restart: pods of the new handler and of runc run after it, and the old pod went on', async () => {
    const { stdout } = await live.kata(['install', live.bundle(live.first), '--dry-run']);

    const change = await live.json(['install', live.bundle(live.first)]);

    assert.match(stdout, /^ *restarts: crio\.service/m);
    assert.deepEqual(change['restarted'], [crioUnit]);
    await serves(['', handler, 'runc']);
  });

  it('uninstalls: the handler is unknown to the CRI, pods of runc run, and the old pod went on', async () => {
    const change = await live.json(['uninstall', '--purge']);

    assert.deepEqual(change['restarted'], [crioUnit]);
    await serves(['', 'runc']);
    await assert.rejects(runPod(live.host, handler, 'gone'), /failed to find runtime handler/);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  async function serves(handlers: string[]): Promise<void> {
    assert.deepEqual(await crioHandlers(live), handlers);
    await podRuns(live.host, 'runc', `beside-${handlers.length}`, pids);
    if (handlers.includes(handler)) await provePods(live, 0);
    const { stdout } = await live.host.run([JUDGE, 'pods']);
    assert.match(stdout, new RegExp(`"id": "${pod.id}"[^}]*}?[^}]*"state": "SANDBOX_READY"`, 's'));
  }
});
