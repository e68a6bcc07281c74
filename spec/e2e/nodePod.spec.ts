import assert from 'node:assert/strict';
import type { SampleRelease } from '../lab/release/index.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { etcOf, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import {
  type ContainerOf,
  changeMounts,
  type Ended,
  endOf,
  hostOfNodePods,
  logOf,
  type NodePod,
  removeNodePod,
  reportMounts,
  startIn,
  startNodePod,
} from '../support/live/nodePod.ts';
import { stopped, until } from '../support/live/unitWork.ts';
import { importNodeImage } from '../support/nodeImage.ts';

const handler = 'kata-qemu-runtime-rs';

describe('a node pod, as the engine of the node starts it', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];
  let count = 0;

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      return this.skip();
    }
    live = await liveHost(hostOfNodePods());
    atStart = etcOf(live);
    await importNodeImage(live.host);
  });
  stopAfter(() => live);

  /** A lab host has no KVM. */
  const installing = (release: SampleRelease, more: object = {}) => ({
    apiVersion: 'kata-sysext/v1',
    kind: 'Request',
    mode: 'install',
    bundles: [{ from: live.bundle(release) }],
    backend: 'prefix',
    allow: ['host-no-kvm'],
    ...more,
  });
  const uninstalling = { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'uninstall' };

  const changeOf = (request: object, env: Record<string, string> = {}): ContainerOf => ({
    name: 'change',
    command: ['/kata-sysext', 'node-pod', 'change'],
    env: { KATA_SYSEXT_REQUEST: JSON.stringify(request), ...env },
    mounts: changeMounts,
    uid: 0,
  });

  async function newPod(): Promise<NodePod> {
    count += 1;
    return startNodePod(live.host, `node-pod-${count}`);
  }

  /** A whole pod: its init container to the end, then what the probe says in the resident one. */
  async function podFor(request: object, env: Record<string, string> = {}): Promise<Ended & { probed: Ended }> {
    const pod = await newPod();
    const ended = await endOf(live.host, pod, 'change', await startIn(live.host, pod, changeOf(request, env)));
    const probe = { name: 'probe', command: ['/report', 'ready'], mounts: reportMounts, uid: 65_534 };
    const probed = await endOf(live.host, pod, 'probe', await startIn(live.host, pod, probe));
    await removeNodePod(live.host, pod);
    return { ...ended, probed };
  }

  /** What is in the folder of the pod and the report: inodes and times change with each write. */
  async function written(): Promise<string> {
    const files =
      'find /var/lib/kata-sysext/pod /etc/kata-sysext /var/lib/kata-sysext/requests.json -type f -printf "%p %i %s %C@\\n" | sort';
    return (await live.host.sh(files)).stdout;
  }

  it('observes only where its DaemonSet is new, and installs by the next template, without a capability', async () => {
    const first = await podFor(installing(live.first), { KATA_SYSEXT_TEMPLATE_GENERATION: '1', KATA_SYSEXT_WAVES: '' });
    const untouched = await handlersOf(live);
    const next = await podFor(installing(live.first), { KATA_SYSEXT_TEMPLATE_GENERATION: '2', KATA_SYSEXT_WAVES: '' });

    assert.equal(first.status, 0, first.log);
    assert.match(first.log, /^✓ observed: the host fits; an install restarts containerd\.service$/m);
    assert.match(first.log, /^observed only: this DaemonSet is new/m);
    assert.deepEqual(untouched, ['runc']);
    assert.equal(next.status, 0, next.log);
    assert.match(next.log, /^✓ done: the node has what is requested$/m);
    assert.deepEqual(next.probed, { status: 0, log: 'the node has what is requested\n' });
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
  });

  it('writes nothing and restarts nothing where the node has the request', async () => {
    const [before, runs] = [await written(), await runsOf(live)];
    const again = await podFor(installing(live.first));

    assert.equal(again.status, 0, again.log);
    assert.match(before, /pod\/kata-sysext \d+ \d{9} /);
    assert.equal(await written(), before);
    assert.deepEqual(await runsOf(live), runs);
  });

  it('passes progress on, and ends by SIGTERM or with its pod without harm: the next pod follows the unit, one of another request waits', async () => {
    const request = installing(live.second);
    await live.host.run(['systemctl', 'set-environment', 'KATA_SYSEXT_FAILPOINT=commit/before=pause']);
    const [deleted, next] = [await newPod(), await newPod()];
    await startIn(live.host, deleted, changeOf(request));
    const pid = await stopped(live);
    await live.host.run(['systemctl', 'unset-environment', 'KATA_SYSEXT_FAILPOINT']);
    const progress = await logOf(live.host, deleted, 'change');
    await removeNodePod(live.host, deleted);

    const asked = await startIn(live.host, next, changeOf(request));
    await until(async () => /is followed/.test(await logOf(live.host, next, 'change')), 'a pod follows the unit');
    await live.host.run(['ctr', '-n', 'k8s.io', 'task', 'kill', '-s', 'SIGTERM', asked]);
    const { status } = await endOf(live.host, next, 'change', asked);
    const following = await startIn(live.host, next, { ...changeOf(request), name: 'again' });
    const waiting = await startIn(live.host, next, { ...changeOf(installing(live.first)), name: 'other' });
    await until(async () => /is followed/.test(await logOf(live.host, next, 'again')), 'the next container follows the unit');
    await until(async () => /waiting for kata-sysext-request-/.test(await logOf(live.host, next, 'other')), 'the other request waits');
    await live.host.run(['kill', '-CONT', String(pid)]);
    const ended = await endOf(live.host, next, 'again', following);
    const after = await endOf(live.host, next, 'other', waiting);
    await removeNodePod(live.host, next);

    assert.match(progress, /^› unpacking kata-static/m);
    assert.equal(status, 143);
    assert.equal(ended.status, 0, ended.log);
    assert.match(ended.log, /^› unpacking kata-static[\s\S]*^✓ done: the node has what is requested$/m);
    assert.equal(after.status, 0, after.log);
    assert.equal((await live.json(['status']))['active'], 1);
  });

  it('fails where it does not reach the node, with the reason', async () => {
    const pod = await newPod();
    const runs: Ended[] = [];
    const rows: Partial<ContainerOf>[] = [
      { mounts: changeMounts.slice(1) },
      { uid: 65_534 },
      { mounts: changeMounts.filter(({ host_path: path }) => path !== '/var/lib/kata-sysext') },
      { env: { KATA_SYSEXT_REQUEST: '{"mode":"install"}' } },
      { env: {} },
    ];
    for (const [index, row] of rows.entries()) {
      const of = { ...changeOf(installing(live.first)), ...row, name: `change-${index}` };
      runs.push(await endOf(live.host, pod, of.name, await startIn(live.host, pod, of)));
    }
    await removeNodePod(live.host, pod);

    assert.deepEqual(
      runs.map(({ status, log }) => [status, /^ {2}code: {3}(\S+)/m.exec(log)?.[1]]),
      [
        [1, 'node-pod-bus'],
        [2, 'node-pod-unfit'],
        [1, 'failed'],
        [2, 'request-unfit'],
        [2, 'node-pod-unfit'],
      ],
    );
  });

  it('is uninstalled by a request: the folder that the pod mounts and the report stay', async () => {
    const gone = await podFor(uninstalling);
    const left = (await live.host.sh('find /var/lib/kata-sysext /etc/kata-sysext | sort')).stdout.trim().split('\n');
    const again = await podFor(uninstalling);

    assert.equal(gone.status, 0, gone.log);
    assert.deepEqual(gone.probed, { status: 0, log: 'Kata was uninstalled\n' });
    assert.equal(again.status, 0, again.log);
    assert.deepEqual(left, ['/etc/kata-sysext', '/etc/kata-sysext/report.json', '/var/lib/kata-sysext']);
    assert.deepEqual(
      differences(atStart, etcOf(live)).filter((line) => !line.includes('etc/kata-sysext')),
      [],
    );
    assert.deepEqual(await handlersOf(live), ['runc']);
  });
});
