import assert from 'node:assert/strict';
import { requestDigest } from '../../cli/requests/index.ts';
import { type FakeApi, fakeApi, kubeconfigFor } from '../support/fakeApi.ts';
import { runInProcess } from '../support/inProcess.ts';
import { checkJson } from '../support/judges/schemas.ts';
import type { Ran } from '../support/program.ts';

interface Fleet {
  daemonSets: { name: string; mode?: string; revision?: number; lastGood?: number; undo?: string }[];
  nodes: { name: string; state: string; ready: boolean; reason: string; revision?: number; labelled: boolean }[];
  otherNodes: number;
  revisions: { revision: number; good: number; failed: number; unknown: number; goodEverywhere: boolean }[];
}

const request = (version: string) => ({
  apiVersion: 'kata-sysext/v1' as const,
  kind: 'Request' as const,
  mode: 'install' as const,
  bundles: [{ from: `kata@${version}` }],
});
const digestOf = (version: string) => requestDigest(request(version));
const short = (version: string) => digestOf(version).slice(7, 19);
const owner = [{ kind: 'DaemonSet', name: 'kata-sysext', uid: 'set', controller: true }];

const daemonSet = {
  metadata: { name: 'kata-sysext', uid: 'set' },
  status: { desiredNumberScheduled: 3, updatedNumberScheduled: 1, numberReady: 2 },
};

function revision(number: number, version: string): object {
  const change = { name: 'change', env: [{ name: 'KATA_SYSEXT_REQUEST', value: JSON.stringify(request(version)) }] };
  return {
    metadata: { name: `r${number}`, labels: { 'controller-revision-hash': `hash${number}` }, ownerReferences: owner },
    revision: number,
    data: { spec: { template: { spec: { initContainers: [change] } } } },
  };
}

interface Said {
  state?: string;
  version?: string;
  ready?: boolean;
  proven?: string[];
  failed?: string[];
  reason?: string;
}

/** The status of a pod whose change ended with this report. */
function reported({ state = 'done', version = '4.1.0', ready = true, reason = 'as it is', ...known }: Said): object {
  const of = { request: digestOf(version), release: version, generation: 2, restarts: 1 };
  const message = JSON.stringify({ kind: 'NodeReport', mode: 'install', state, ready, reason, ...of, ...known });
  return {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    initContainerStatuses: [{ name: 'change', state: { terminated: { exitCode: 0, message } } }],
    containerStatuses: [{ name: 'report', state: { running: {} } }],
  };
}

function pod(node: string, number: number, status: object, more: object = {}): object {
  const labels = { 'controller-revision-hash': `hash${number}` };
  const metadata = { name: `pod-${node}`, uid: `uid-${node}`, labels, ownerReferences: owner, creationTimestamp: '2026-01-01T00:00:00Z' };
  return { metadata: { ...metadata, ...more }, spec: { nodeName: node }, status };
}

interface World {
  daemonSets?: object[];
  revisions?: object[];
  pods?: unknown[];
  /** Name → the column Status. */
  nodes?: Record<string, string>;
  events?: object[];
}

const columnDefinitions = [{ name: 'Name' }, { name: 'Status' }];
const pageSize = 500;

let api: FakeApi | undefined;

/** Pages, as the API makes them. */
async function serve({ daemonSets = [daemonSet], revisions = [], pods = [], nodes = {}, events = [] }: World): Promise<void> {
  const rows = Object.entries(nodes).map(([name, status]) => ({ cells: [name, status], object: { metadata: { name } } }));
  const lists: [RegExp, string, unknown[]][] = [
    [/\/daemonsets$/, 'items', daemonSets],
    [/\/controllerrevisions$/, 'items', revisions],
    [/\/pods$/, 'items', pods],
    [/\/nodes$/, 'rows', rows],
    [/\/events$/, 'items', events],
  ];
  api = await fakeApi(({ path }) => {
    const url = new URL(path, 'https://localhost');
    const [, key, all] = lists.find(([name]) => name.test(url.pathname))!;
    const from = Number(url.searchParams.get('continue') ?? 0);
    const metadata = from + pageSize < all.length ? { continue: String(from + pageSize) } : {};
    const form = key === 'rows' ? { kind: 'Table', columnDefinitions } : { kind: 'List' };
    return { json: { ...form, metadata, [key]: all.slice(from, from + pageSize) } };
  });
}

function run(args: string[] = [], path = kubeconfigFor(api?.origin)): Promise<Ran> {
  return runInProcess(['status', '--fleet', '--kubeconfig', path, ...args]);
}

async function fleet(): Promise<Fleet> {
  const ran = await run(['--json']);
  assert.equal(ran.status, 0, ran.stdout + ran.stderr);
  const value = JSON.parse(ran.stdout) as Record<string, unknown>;
  checkJson(value);
  return value as unknown as Fleet;
}

const [v1, v2, v3] = [revision(1, '4.1.0'), revision(2, '4.2.0'), revision(3, '4.3.0')];
const nodes = { node1: 'Ready', node2: 'Ready', node3: 'Ready' };

describe('status --fleet', function () {
  this.timeout(120_000);
  afterEach(async () => {
    await api?.close();
    api = undefined;
  });

  it('leads back past a failed release and its failed fix, to the revision that was good on every node', async () => {
    const failed = { state: 'failed', version: '4.3.0', ready: false, proven: [short('4.1.0')], failed: [short('4.3.0'), short('4.2.0')] };
    const good = pod('node2', 1, reported({ proven: [short('4.1.0')] }));
    await serve({ revisions: [v3, v1, v2], nodes, pods: [pod('node1', 3, reported(failed)), good, pod('node3', 1, reported({}))] });

    const { daemonSets, revisions } = await fleet();

    assert.equal(daemonSets[0]?.lastGood, 1);
    assert.equal(daemonSets[0]?.undo, 'kubectl rollout undo daemonset/kata-sysext --to-revision=1 -n kata-sysext');
    assert.deepEqual(
      revisions.map(({ revision, good, failed }) => [revision, good, failed]),
      [
        [3, 0, 1],
        [2, 0, 1],
        [1, 3, 0],
      ],
    );
  });

  it('counts neither a node that cannot have Kata nor one that is new against a revision, but one that had another', async () => {
    const newcomer = pod('node3', 2, reported({ state: 'failed', version: '4.2.0', ready: false, failed: [short('4.2.0')] }));
    const first = pod('node1', 1, reported({ proven: [short('4.1.0')] }));
    await serve({ revisions: [v1, v2], nodes, pods: [first, pod('node2', 1, reported({ state: 'unsuitable' })), newcomer] });
    const one = await fleet();
    await api!.close();
    const other = pod('node2', 1, reported({ version: '4.0.0', proven: [short('4.0.0')] }));
    await serve({ revisions: [v1, v2], nodes, pods: [first, other, newcomer] });

    const two = await fleet();

    assert.deepEqual([one.daemonSets[0]?.lastGood, two.daemonSets[0]?.lastGood], [1, undefined]);
  });

  it('says of each node what is known last', async () => {
    const unready = { ...reported({}), conditions: [{ type: 'Ready', status: 'False' }] };
    const images = [{ name: 'change', state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } }];
    const running = [{ name: 'change', state: { running: {} } }];
    const pods = [
      pod('node1', 1, reported({ state: 'held', reason: 'held back' })),
      pod('node2', 1, { phase: 'Pending', initContainerStatuses: images }),
      pod('node3', 1, { phase: 'Pending', initContainerStatuses: running }),
      pod('node4', 1, unready),
      pod('node5', 1, unready),
      pod('node6', 2, reported({ reason: 'of the new pod' })),
      pod('node6', 1, reported({ reason: 'of the old pod' }), { uid: 'old', deletionTimestamp: '2026-01-01T00:00:00Z' }),
      { metadata: { uid: 'x' }, spec: {} },
      7,
    ];
    const event = (at: string, message: string) => ({ involvedObject: { uid: 'uid-node5' }, lastTimestamp: at, message });
    const events = [
      event('2026-01-02', 'Readiness probe failed: the engine is down\n'),
      event('2026-01-01', 'Readiness probe failed: old'),
    ];
    const more = { node4: 'NotReady,SchedulingDisabled', node5: 'Ready,SchedulingDisabled', node6: 'Ready', other: 'Ready' };
    await serve({ revisions: [v1, v2], pods, events, nodes: { ...nodes, ...more } });

    const found = await fleet();

    assert.deepEqual(
      found.nodes.map(({ name, state, reason }) => [name, state, reason]),
      [
        ['node1', 'held', 'held back'],
        ['node2', 'starting', 'container change waits: ImagePullBackOff, no such image'],
        ['node3', 'changing', 'container change runs'],
        ['node4', 'lost', 'the node is NotReady,SchedulingDisabled; before: done'],
        ['node5', 'done', 'the engine is down'],
        ['node6', 'done', 'of the new pod'],
      ],
    );
    assert.equal(found.otherNodes, 1);
  });

  it('reads pages of 500, changes nothing, and asks for events only where a pod does not say why', async () => {
    const names = Array.from({ length: 1200 }, (_, index) => `node${index}`);
    const pods = names.map((name) => pod(name, 1, reported({})));
    await serve({ revisions: [v1], pods, nodes: Object.fromEntries(names.map((name) => [name, 'Ready'])) });

    const { stdout, status } = await run();

    const count = (part: string) => api!.asked.filter(({ path }) => path.includes(part)).length;
    assert.equal(status, 0);
    assert.match(stdout, /^1200 +yes +1 +4\.1\.0 +done +as it is +node0, node1, node10 and 1197 more$/m);
    assert.deepEqual([count('/pods?'), count('/nodes?'), count('/events')], [3, 3, 0]);
    assert.ok(api!.asked.every(({ method, path }) => method === 'GET' && path.includes('limit=500')));
    assert.ok(api!.asked.every(({ authorization }) => authorization === 'Bearer of-anna'));
  });

  it('begins a list again that expired while it was read', async () => {
    let expired = false;
    api = await fakeApi(({ path }) => {
      const items = path.includes('/daemonsets') ? [daemonSet] : [];
      if (!path.includes('/pods')) return { json: { kind: path.includes('/nodes') ? 'Table' : 'List', items } };
      if (!path.includes('continue') && !expired)
        return { json: { metadata: { continue: 'next' }, items: [pod('node1', 1, reported({}))] } };
      if (expired) return { json: { items: [pod('node1', 1, reported({})), pod('node2', 1, reported({}))] } };
      expired = true;
      return { status: 410, json: { kind: 'Status', message: 'expired' } };
    });

    const found = await fleet();

    assert.deepEqual(
      found.nodes.map(({ name }) => name),
      ['node1', 'node2'],
    );
  });

  it('escapes what a node reports', async () => {
    await serve({ revisions: [v1], nodes, pods: [pod('node1', 1, reported({ reason: '\u001b[2J\u202egood' }))] });

    const { stdout } = await run();

    assert.match(stdout, /\\u001b\[2J\\u202egood/);
  });

  it('says that there is none', async () => {
    await serve({ daemonSets: [] });

    const { stdout } = await run(['--namespace', 'elsewhere']);

    assert.equal(stdout, 'There is no DaemonSet of kata-sysext in namespace elsewhere.\n');
  });

  it('names the right that is missing', async () => {
    api = await fakeApi(() => ({ status: 403, json: { kind: 'Status', message: 'daemonsets.apps is forbidden' } }));

    const { status, stderr } = await run();

    assert.equal(status, 1);
    assert.match(stderr, /the right to list daemonsets\.apps in namespace kata-sysext/);
    assert.match(stderr, /kubectl auth can-i list daemonsets\.apps -n kata-sysext/);
  });

  it('ends with a list that never ends', async () => {
    api = await fakeApi(({ path }) => ({
      json: { metadata: { continue: 'more' }, items: path.includes('/daemonsets') ? [daemonSet] : [] },
    }));

    const { status, stderr } = await run();

    assert.equal(status, 1);
    assert.match(stderr, /a list of more than 200 pages/);
  });

  it('wants its options together, and a namespace that is one', async () => {
    const alone = await runInProcess(['status', '--namespace', 'x']);
    const wrong = await run(['--namespace', '../secrets']);

    assert.deepEqual([alone.status, wrong.status], [2, 2]);
  });
});
