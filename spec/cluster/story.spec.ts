import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { generator } from '../lab/random.ts';
import { stopAfter } from '../support/endings.ts';
import { whereKubernetes } from '../support/live/kubernetes.ts';
import { containerd, runsOf, startsOf } from '../support/live/liveHost.ts';
import { type Fleet, kataWork, nodePodFleet, type PodObject } from '../support/live/nodePods.ts';
import { type NodeState, nodeState } from '../support/live/nodeState.ts';
import { all, seed } from '../support/sample.ts';

/** The engines of two nodes do not start with a handler of this name: their administrator says so. */
const refused = 'refused-by-the-unit';
const refusal = {
  '/etc/systemd/system/containerd.service.d/30-refuses.conf': `[Service]\nExecStartPre=/bin/sh -c "! grep -rqs ${refused} /etc/containerd"\n`,
};

describe('the story of a cluster', function () {
  this.timeout(all ? 3 * 3_600_000 : 900_000);
  let fleet: Fleet;
  const atStart = new Map<string, NodeState>();
  let templates = 0;

  whereKubernetes(async () => {
    fleet = await nodePodFleet([
      { name: 'node1', containerd: '1.7' },
      { name: 'node2', containerd: '2.0', files: refusal },
      { name: 'node3', containerd: '2.3', files: refusal },
    ]);
    for (const name of fleet.names) atStart.set(name, nodeState(fleet.lab.node(name)));
  });
  stopAfter(() => fleet);

  it('observes on all nodes, and changes nothing', async () => {
    await begin('1-observe', first());
    await fleet.rolledOut();

    const reports = await each(fleet.report);
    assert.deepEqual(
      reports.map(({ state, wouldRestart }) => [state, wouldRestart]),
      Array(3).fill(['observed', [containerd]]),
    );
    assert.deepEqual(await allRestarts(), []);
  });

  it('installs on one node after the other: at no moment do two engines restart, and pods run on all', async () => {
    await begin('2-install', first());
    await fleet.rolledOut();
    await fleet.lab.applyYaml(kataWork);
    await workRuns();

    const restarts = await allRestarts();
    assert.deepEqual(restarts.map(({ node }) => node).sort(), fleet.names);
    for (const [index, { from }] of restarts.entries()) assert.ok(index === 0 || from > restarts[index - 1]!.to, JSON.stringify(restarts));
    assert.deepEqual(
      (await each(fleet.report)).map(({ state, restarts: count }) => [state, count]),
      Array(3).fill(['done', 1]),
    );
  });

  it('upgrades under pods that run: no engine restarts, and the pods are the same', async () => {
    const [before, engines] = [await workPods(), await runs()];

    await begin('2-install', second());
    await fleet.rolledOut();

    assert.deepEqual([await workPods(), await runs()], [before, engines]);
    assert.deepEqual(
      (await each(fleet.report)).map(({ state, release }) => [state, release]),
      Array(3).fill(['done', fleet.second.version]),
    );
  });

  it('stops at the first node that a request fails on, whatever happens there; then goes back to what was good, without its bundle', async () => {
    const good = (await fleet.revision()).newest;
    const before = new Map(
      await each(
        async (name) =>
          [name, { runs: await runsAt(name), starts: await startsAt(name), request: (await fleet.report(name)).request }] as const,
      ),
    );
    await begin('2-install', { ...second(), aliases: [`${refused}=qemu-runtime-rs`] });
    const failed = await firstFailed();
    const leftAlone = pause(all ? 1_800_000 : 120_000);
    const untouched = ['node2', 'node3'].find((name) => name !== failed)!;

    for (let times = 0; times < 10; times += 1) await fleet.replacePod(failed);
    const starts = (await startsAt(failed)) - before.get(failed)!.starts;
    await fleet.lab.node(failed).reboot();
    const booted = Date.now();
    await fleet.lab.ready(failed);
    await fleet.changed(failed, booted);
    await leftAlone;
    const report = await fleet.report(failed);
    const inBoot = await startsAt(failed);
    const others = { runs: await runsAt(untouched), starts: await startsAt(untouched), request: (await fleet.report(untouched)).request };

    assert.deepEqual([report.state, report.ready, report.restarts], ['failed', false, 2]);
    assert.ok(starts <= 2, `${starts} starts of the engine`);
    assert.equal(inBoot, 1);
    assert.deepEqual(others, before.get(untouched));

    const engines = [await runsAt(failed), await runsAt(untouched)];
    for (const name of fleet.names) await fleet.lab.node(name).run(['umount', '/mnt/second']);
    await fleet.letGo();
    await fleet.undo(good);
    await begin('2-install', second());
    await fleet.rolledOut();

    assert.deepEqual(
      (await each(fleet.report)).map(({ state, release }) => [state, release]),
      Array(3).fill(['done', fleet.second.version]),
    );
    assert.deepEqual([await runsAt(failed), await runsAt(untouched)], engines);
    await workRuns();
  });

  it(`comes through deaths of its pods, of a kubelet, of a node in the middle of a change, and of the API server (seed ${seed})`, async () => {
    const next = generator(seed);
    const random = () => next() / 2 ** 32;
    const another = (count: number) => ({ ...first(), aliases: [`another${count}=qemu-runtime-rs`] });
    let newest = another(0);
    await begin('2-install', newest);

    const crashed = await inChange();
    await fleet.lab.node(crashed).reboot({ crash: true });
    for (let times = 0; times < (all ? 50 : 5); times += 1) {
      await pause(random() * 5000);
      // Mostly where a change runs, at whatever moment of it.
      const name = (random() < 0.7 ? await nodeInChange() : undefined) ?? fleet.names[Math.floor(random() * fleet.names.length)]!;
      await fleet.killPod(name);
      if (times === 1) await fleet.lab.node(name).run(['systemctl', 'kill', '-s', 'KILL', 'kubelet']);
      // Ever new changes, also while the one before runs.
      if (times % 5 === 4 && all) {
        newest = another(times);
        await begin('2-install', newest);
      }
      if (times !== 3) continue;
      await fleet.lab.apiServer.stop();
      await pause(120_000);
      await fleet.lab.apiServer.start();
    }
    await fleet.rolledOut();
    // Without the API server all nodes are away: those whose turn had not come hold what is new to them, until somebody asks again.
    const held = (await each(fleet.report)).filter(({ state }) => state === 'held').length;
    if (held > 0) {
      console.log(`      ${held} nodes held the request`);
      await begin('2-install', { ...newest, retry: 1 });
      await fleet.rolledOut();
    }

    assert.deepEqual(
      (await each(fleet.report)).map(({ state, release }) => [state, release]),
      Array(3).fill(['done', fleet.first.version]),
    );
    assert.deepEqual(await each(driftOf), [[], [], []]);
    await workRuns();
  });

  it('uninstalls: each node is as it was before, but for what others keep there', async () => {
    await fleet.lab.kubectl(['delete', 'daemonset', 'work']);
    await begin('3-uninstall', first());
    await fleet.rolledOut();
    const { generation } = await fleet.revision();
    await fleet.letGo();
    await fleet.lab.kubectl(['delete', 'namespace', 'kata-sysext']);

    assert.deepEqual(
      (await each(fleet.report)).map(({ mode, state }) => [mode, state]),
      Array(3).fill(['uninstall', 'done']),
    );
    assert.deepEqual(
      fleet.names.map((name) => atStart.get(name)!.differences()),
      [[], [], []],
    );
    const left = await each(async (name) => (await fleet.lab.node(name).run(['ls', '-A', '/var/lib/kata-sysext'])).stdout);
    assert.deepEqual(left, ['', '', '']);
    // Manifests that were applied again every five seconds changed no template.
    assert.equal(generation, templates);
  });

  const first = () => ({ bundles: [{ from: fleet.bundle(fleet.first) }] });
  const second = () => ({ bundles: [{ from: fleet.bundle(fleet.second) }] });

  async function begin(mode: Parameters<Fleet['manifest']>[0], request: object): Promise<void> {
    templates += 1;
    await fleet.keep(await fleet.manifest(mode, request));
  }

  async function each<T>(ask: (name: string) => Promise<T>): Promise<T[]> {
    return Promise.all(fleet.names.map(ask));
  }

  const runsAt = (name: string) => runsOf({ host: fleet.lab.node(name) }, [containerd]);
  const startsAt = (name: string) => startsOf({ host: fleet.lab.node(name) }, containerd);
  const runs = () => each(runsAt);

  async function allRestarts() {
    return (await each(fleet.restarts)).flat().sort((one, other) => one.from - other.from);
  }

  async function workRuns(): Promise<void> {
    await fleet.lab.kubectl(['rollout', 'status', 'daemonset/work', '--timeout=300s']);
    assert.equal((await workPods()).length, 3);
  }

  /** Which pods, and which runs of their containers. */
  async function workPods() {
    const { items } = await fleet.lab.json<{ items: PodObject[] }>(['get', 'pods', '-l', 'app=work']);
    return items.map(({ metadata, status }) => [
      metadata.uid,
      status.containerStatuses?.map(({ restartCount, state }) => [restartCount, state.running?.startedAt]),
    ]);
  }

  async function firstFailed(): Promise<string> {
    for (const deadline = Date.now() + 300_000; Date.now() < deadline; await pause(200)) {
      const reports = await each(fleet.report);
      const found = fleet.names.find((_, index) => reports[index]!.state === 'failed');
      if (found !== undefined) return found;
    }
    throw new Error('the request fails on no node');
  }

  /** Where the node's program is at work. */
  async function nodeInChange(): Promise<string | undefined> {
    const units = await each(
      async (name) =>
        (await fleet.lab.node(name).run(['systemctl', 'list-units', '--no-legend', 'kata-sysext-request-*'], { allowFailure: true }))
          .stdout,
    );
    return fleet.names.find((_, index) => units[index] !== '');
  }

  async function inChange(): Promise<string> {
    for (const deadline = Date.now() + 300_000; Date.now() < deadline; await pause(100)) {
      const found = await nodeInChange();
      if (found !== undefined) return found;
    }
    throw new Error('no node begins');
  }

  async function driftOf(name: string): Promise<unknown> {
    const ran = await fleet.lab.node(name).run(['/var/lib/kata-sysext/pod/kata-sysext', 'verify', '--json'], { allowFailure: true });
    return (JSON.parse(ran.stdout) as { drift: unknown }).drift;
  }
});
