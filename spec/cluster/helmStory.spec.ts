import assert from 'node:assert/strict';
import { goProgramAvailable } from '../lab/goPrograms.ts';
import { nfd, nfdAvailable } from '../lab/kube/nfd.ts';
import { stopAfter } from '../support/endings.ts';
import { featureDiscoveryBinds, startFeatureDiscovery } from '../support/live/featureDiscovery.ts';
import { type HelmRelease, helmRelease } from '../support/live/helmRelease.ts';
import { whereKubernetes } from '../support/live/kubernetes.ts';
import { containerd, runsOf } from '../support/live/liveHost.ts';
import { type Fleet, kataWork, nodePodFleet } from '../support/live/nodePods.ts';
import { type NodeState, nodeState } from '../support/live/nodeState.ts';
import { until } from '../support/live/unitWork.ts';

const job = 'job/kata-sysext-uninstall';
/** Both nodes at once: waves are the subject of the story of a cluster. */
const discovered = { proof: 'nfd', maxUnavailable: 2 };

describe('the story of Helm', function () {
  this.timeout(900_000);
  let fleet: Fleet;
  let helm: HelmRelease;
  let atStart: NodeState[];

  whereKubernetes(
    async () => {
      const discovery = await nfd();
      const binds = featureDiscoveryBinds(discovery);
      fleet = await nodePodFleet([
        { name: 'node1', containerd: '1.7', binds },
        { name: 'node2', containerd: '2.3', binds },
      ]);
      helm = await helmRelease(fleet.lab);
      await startFeatureDiscovery(fleet.lab, discovery);
      atStart = fleet.names.map((name) => nodeState(fleet.lab.node(name)));
    },
    () => goProgramAvailable('helm'),
    nfdAvailable,
  );
  stopAfter(() => helm);
  stopAfter(() => fleet);

  it('installs the chart as an observation, of which no label comes', async () => {
    await helm.with('install', await fleet.chart(first(), discovered));
    await fleet.rolledOut();

    assert.deepEqual(await states(), Array(2).fill(['observe', 'observed', undefined]));
    assert.deepEqual(await labels(), [{}, {}]);
  });

  it('upgrades it to an installation: Node Feature Discovery makes labels of the file on each node, and pods of Kata follow them', async () => {
    await helm.with('upgrade', await fleet.chart(first(), { ...discovered, mode: 'install' }));
    await fleet.rolledOut();
    await fleet.lab.applyYaml(kataWork);

    await labelsAre(proven(1, fleet.first.version));
    await fleet.lab.kubectl(['rollout', 'status', 'daemonset/work', '--timeout=300s']);
    assert.deepEqual(await states(), Array(2).fill(['install', 'done', fleet.first.version]));
  });

  it('upgrades and rolls back below pods that run: labels follow, and no engine restarts', async () => {
    const engines = await runs();

    await helm.with('upgrade', await fleet.chart(second(), { ...discovered, mode: 'install' }));
    await fleet.rolledOut();
    await labelsAre(proven(2, fleet.second.version));
    await helm.run('rollback', '2');
    await fleet.rolledOut();
    await labelsAre(proven(1, fleet.first.version));

    assert.deepEqual(await states(), Array(2).fill(['install', 'done', fleet.first.version]));
    assert.deepEqual(await runs(), engines);
  });

  it('waits in the hook of an uninstall for pods of Kata, which it names; repeated after an interruption, it leaves all as it was before', async () => {
    const before = await objects();

    const interrupted = helm.begin('uninstall', '--timeout', '10m');
    await until(async () => (await waiting()).length > 0, 'a node waits for its pods');
    const { uid } = await hook();
    interrupted.interrupt();
    const cut = await interrupted.ended;
    const repeated = helm.begin('uninstall', '--timeout', '10m');
    await until(async () => ![uid, undefined].includes((await hook()).uid), 'there is another hook');
    await until(async () => / waiting: .*default\/work-/.test(await hookLog()), 'the hook names the pods');
    const meanwhile = await objects();
    await fleet.lab.kubectl(['delete', 'daemonset', 'work', '--cascade=foreground']);
    const ended = await repeated.ended;

    assert.notEqual(cut.code, 0);
    assert.deepEqual(
      before.filter((each) => !/^(pod|controllerrevision)/.test(each) && !meanwhile.includes(each)),
      [],
    );
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(await states(), Array(2).fill(['uninstall', 'done', undefined]));
    await labelsAre({});
    await nothingIsLeft();
  });

  const first = () => ({ bundles: [{ from: fleet.bundle(fleet.first) }] });
  const second = () => ({ bundles: [{ from: fleet.bundle(fleet.second) }] });

  async function each<T>(ask: (name: string) => Promise<T>): Promise<T[]> {
    return Promise.all(fleet.names.map(ask));
  }

  async function states() {
    return (await each(fleet.report)).map(({ mode, state, release }) => [mode, state, release]);
  }

  const runs = () => each((name) => runsOf({ host: fleet.lab.node(name) }, [containerd]));

  function proven(generation: number, release: string): Record<string, string> {
    return {
      'kata-deploy.katacontainers.io/default': 'true',
      'katacontainers.io/kata-runtime': 'true',
      'katacontainers.io/kata-sysext': `${generation}-${release}`,
    };
  }

  /** Those of Kata on each node. */
  async function labels(): Promise<Record<string, string>[]> {
    return each(async (name) => {
      const { metadata } = await fleet.lab.json<{ metadata: { labels: Record<string, string> } }>(['get', 'node', name]);
      return Object.fromEntries(Object.entries(metadata.labels).filter(([key]) => key.includes('kata')));
    });
  }

  /** The worker looks at its folder in its own time. */
  async function labelsAre(wanted: Record<string, string>): Promise<void> {
    let seen: Record<string, string>[] = [];
    const isSame = async () => {
      seen = await labels();
      return seen.every((all) => sorted(all) === sorted(wanted));
    };
    await until(isSame, 'the labels are those of the file', 180_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
    });
  }

  function sorted(table: Record<string, string>): string {
    return JSON.stringify(Object.entries(table).sort());
  }

  /** All that the chart makes has its label. */
  async function objects(): Promise<string[]> {
    const { stdout } = await fleet.lab.kubectl(['api-resources', '--verbs=list,delete', '-o', 'name']);
    const kinds = stdout.trim().split('\n').join();
    const found = await fleet.lab.kubectl(['get', kinds, '-A', '-l', 'app.kubernetes.io/name=kata-sysext', '-o', 'name']);
    return found.stdout.split('\n').filter((line) => line !== '');
  }

  async function nothingIsLeft(): Promise<void> {
    await until(async () => (await objects()).length === 0, 'no object is left', 120_000);
    const differing = atStart.map((state) => state.differences());
    const left = await each(async (name) => (await fleet.lab.node(name).run(['ls', '-A', '/var/lib/kata-sysext'])).stdout);

    assert.deepEqual(
      [differing, left],
      [
        [[], []],
        ['', ''],
      ],
    );
  }

  /** What nodes that wait have said as the reason. */
  async function waiting(): Promise<string[]> {
    const pods = await each(fleet.pod);
    return pods
      .flatMap((pod) => pod?.status.initContainerStatuses ?? [])
      .flatMap(({ name, state, lastState }) => (name === 'change' ? [(state.terminated ?? lastState?.terminated)?.message ?? ''] : []))
      .filter((message) => message.includes('"waiting"'));
  }

  async function hook(): Promise<{ uid?: string }> {
    const { stdout } = await fleet.lab.kubectl(['-n', 'kata-sysext', 'get', job, '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}']);
    return stdout === '' ? {} : { uid: stdout };
  }

  async function hookLog(): Promise<string> {
    return (await fleet.lab.kubectl(['-n', 'kata-sysext', 'logs', job], '', { allowFailure: true })).stdout;
  }
});
