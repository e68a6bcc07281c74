import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeRequest, requestDigest } from '../../cli/requests/index.ts';
import { type KubeLab, kubeLab } from '../lab/kube/index.ts';
import { removeAfter, stopAfter } from '../support/endings.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { whereKubernetes } from '../support/live/kubernetes.ts';
import { program, run } from '../support/program.ts';

const namespace = 'kata-sysext';
const service = ['10.96.0.1', '443'] as const;
const selector = 'app.kubernetes.io/name=kata-sysext';
const taint = 'kata-sysext/not-ready';
const values = `image: { repository: registry.example/kata-sysext, digest: 'sha256:${'a'.repeat(64)}' }
proof: token
request: { bundles: [{ from: kata@4.2.0 }], handlers: [kata-qemu] }
tolerations: [{ operator: Exists }]
`;

interface NodeObject {
  metadata: { labels: Record<string, string> };
  spec: { taints?: { key: string; effect: string }[] };
}

interface Fleet {
  daemonSets: { name: string; mode: string; revision: number; desired: number; lastGood?: number; undo?: string }[];
  nodes: { name: string; state: string; release?: string; revision: number }[];
}

interface PodObject {
  metadata: { name: string };
  spec: { nodeName?: string };
}

/** What a kubelet says, at this moment: without a kubelet the node counts as lost after 50 s. */
function nodeStatus(): string {
  const ready = { type: 'Ready', status: 'True', reason: 'here', message: '', lastHeartbeatTime: new Date().toISOString() };
  const room = { pods: '10', cpu: '4', memory: '4Gi' };
  const runtimeHandlers = ['', 'runc', 'kata-qemu'].map((name) => ({ name }));
  return JSON.stringify({ status: { allocatable: room, capacity: room, conditions: [ready], runtimeHandlers } });
}

function requested(version: string): NodeRequest {
  return { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'install', bundles: [{ from: `kata@${version}` }] };
}

const report = {
  apiVersion: 'kata-sysext/v1',
  kind: 'NodeReport',
  request: `sha256:${'b'.repeat(64)}`,
  mode: 'install',
  state: 'done',
  ready: true,
  reason: 'the node has what is requested',
  release: '4.2.0',
  generation: 1,
  handlers: ['kata-qemu'],
  engine: 'containerd 2.1.9',
  system: 'x',
  restarts: 1,
  at: '2026-11-30T00:00:00.000Z',
};

/** Nodes are objects here, of which no kubelet knows: what is judged is the API server. */
describe('the API server of the lab', function () {
  this.timeout(900_000);
  let lab: KubeLab;
  let folder: string | undefined;
  let token: string;

  whereKubernetes(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-token-'));
    lab = await kubeLab({ nodes: [] });
    for (const name of ['node1', 'node2']) {
      const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
      const taints = [
        { key: taint, effect: 'NoSchedule' },
        { key: 'of-another', value: 'x', effect: 'NoSchedule' },
      ];
      await lab.applyYaml(JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: { taints } }));
      await heartbeat(name);
    }
    writeFileSync(join(folder, 'values.yaml'), values);
    const made = await run(['generate', 'kubernetes', '--form', 'manifests', '--values', join(folder, 'values.yaml'), '-o', folder]);
    assert.equal(made.status, 0, made.stderr);
    await lab.applyYaml(readFileSync(join(folder, '1-observe.yaml'), 'utf8'));
    const args = ['create', 'token', 'kata-sysext', '-n', namespace, '--bound-object-kind', 'Pod', '--bound-object-name'];
    token = (await lab.kubectl([...args, (await podOf('node1')).metadata.name])).stdout.trim();
    await untilInForce();
  });
  stopAfter(() => lab);
  removeAfter(() => folder);

  async function heartbeat(name: string): Promise<void> {
    await lab.kubectl(['patch', 'node', name, '--subresource=status', '--type=merge', '-p', nodeStatus()]);
  }

  /** An API server learns of a new policy a moment after it was made. */
  async function untilInForce(): Promise<void> {
    const tried = [...patch('node1', [add('/metadata/labels/tried', '')]), '--dry-run=server', '--token', token];
    for (const deadline = Date.now() + 300_000; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
      const { code, stderr } = await lab.kubectl(tried, undefined, { allowFailure: true });
      if (code !== 0 && stderr.includes('denied request')) return;
      if (Date.now() > deadline) throw new Error(`the policy is not in force: ${stderr}`);
    }
  }

  /** The pod that the DaemonSet has there. */
  async function podOf(node: string): Promise<PodObject> {
    for (const deadline = Date.now() + 300_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 200))) {
      const { items } = await lab.json<{ items: PodObject[] }>(['get', 'pods', '-n', namespace, '-l', selector]);
      const found = items.find(({ spec }) => spec.nodeName === node);
      if (found !== undefined) return found;
    }
    throw new Error(`no pod of the DaemonSet comes to ${node}`);
  }

  const node = (name: string) => lab.json<NodeObject>(['get', 'node', name]);

  /** By the API server's own address in the cluster, with the token as a container has it. */
  async function step(word: string): Promise<string> {
    const root = join(folder!, 'root');
    const secrets = join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
    for (const path of [secrets, join(root, 'etc/kata-sysext')]) mkdirSync(path, { recursive: true });
    writeFileSync(join(secrets, 'token'), token);
    const { data } = await lab.json<{ data: Record<string, string> }>(['get', 'configmap', 'kube-root-ca.crt', '-n', namespace]);
    writeFileSync(join(secrets, 'ca.crt'), data['ca.crt']!);
    writeFileSync(join(root, 'etc/kata-sysext/report.json'), JSON.stringify(report));
    const env = { KUBERNETES_SERVICE_HOST: service[0], KUBERNETES_SERVICE_PORT: service[1], NODE_NAME: 'node1' };
    return (await lab.run([process.execPath, program(), 'node-pod', word, '--root', root], { env })).stdout;
  }

  type Patch = object[];
  const patch = (name: string, steps: Patch, ...more: string[]) => [
    'patch',
    'node',
    name,
    '--type=json',
    '-p',
    JSON.stringify(steps),
    ...more,
  ];
  const add = (path: string, value: unknown) => ({ op: 'add', path, value });
  const proof = add('/metadata/labels/katacontainers.io~1kata-runtime', 'true');
  const inNamespace = `/api/v1/namespaces/${namespace}`;
  const refused: [title: string, args: () => string[], input?: string][] = [
    ['a proof label of another node', () => patch('node2', [proof])],
    ['the startup taint of another node', () => patch('node2', [{ op: 'remove', path: '/spec/taints/0' }])],
    ['another label', () => patch('node1', [add('/metadata/labels/node-role.kubernetes.io~1control-plane', '')])],
    ['the value of another label', () => patch('node1', [add('/metadata/labels/kubernetes.io~1os', 'windows')])],
    ['the end of another label', () => patch('node1', [{ op: 'remove', path: '/metadata/labels/kubernetes.io~1os' }])],
    ['an annotation', () => patch('node1', [add('/metadata/annotations', { a: 'b' })])],
    ['a finalizer', () => patch('node1', [add('/metadata/finalizers', ['example.com/a'])])],
    ['an owner', () => patch('node1', [add('/metadata/ownerReferences', [{ apiVersion: 'v1', kind: 'Node', name: 'node2', uid: 'x' }])])],
    ['the end of another taint', () => patch('node1', [add('/spec/taints', [{ key: taint, effect: 'NoSchedule' }])])],
    ['a new taint', () => patch('node1', [add('/spec/taints/-', { key: 'a', effect: 'NoExecute' })])],
    ['cordoning', () => patch('node1', [add('/spec/unschedulable', true)])],
    ['the identity at its provider', () => patch('node1', [add('/spec/providerID', 'aws:///x')])],
    ['its status', () => patch('node1', [add('/status/capacity/example.com~1x', '3')], '--subresource=status')],
    ['the end of a node', () => ['delete', '--raw', '/api/v1/nodes/node1']],
    ['a new node', () => ['create', '--raw', '/api/v1/nodes', '-f', '-'], '{"apiVersion":"v1","kind":"Node","metadata":{"name":"node3"}}'],
    ['the list of nodes', () => ['get', '--raw', '/api/v1/nodes']],
    ['pods of all', () => ['get', '--raw', '/api/v1/pods']],
    ['its own pods', () => ['get', '--raw', `${inNamespace}/pods`]],
    ['a new pod', () => ['create', '--raw', `${inNamespace}/pods`, '-f', '-'], '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}'],
    ['a command in a pod', () => ['create', '--raw', `${inNamespace}/pods/any/exec?command=sh`, '-f', '-'], '{}'],
    ['secrets', () => ['get', '--raw', `${inNamespace}/secrets`]],
    ['another token', () => ['create', 'token', 'kata-sysext', '-n', namespace]],
    ['what the kubelet answers', () => ['get', '--raw', '/api/v1/nodes/node1/proxy/pods']],
    ['the end of its policy', () => ['delete', 'validatingadmissionpolicybinding', 'kata-sysext-label']],
  ];

  for (const [title, args, input] of refused)
    it(`refuses the token of a node pod ${title}`, async () => {
      const { code, stderr } = await lab.kubectl([...args(), '--token', token], input, { allowFailure: true });

      assert.notEqual(code, 0);
      assert.match(stderr, /forbidden|denied request/i);
    });

  it('refuses a token that belongs to no pod', async () => {
    const unbound = (await lab.kubectl(['create', 'token', 'kata-sysext', '-n', namespace])).stdout.trim();

    const { code, stderr } = await lab.kubectl([...patch('node1', [proof]), '--token', unbound], undefined, { allowFailure: true });

    assert.notEqual(code, 0);
    assert.match(stderr, /may only change the node of its pod/);
  });

  it('lets the token label its own node, take the startup taint from it, and take the labels away', async () => {
    const first = await step('label');
    const labelled = await node('node1');
    const again = await step('label');
    await step('unlabel');
    const after = await node('node1');

    assert.match(first, /changed/);
    assert.equal(labelled.metadata.labels['katacontainers.io/kata-runtime'], 'true');
    assert.equal(labelled.metadata.labels['katacontainers.io/kata-sysext'], '1-4.2.0');
    assert.ok(!labelled.spec.taints?.some(({ key }) => key === taint));
    assert.ok(labelled.spec.taints?.some(({ key }) => key === 'of-another'));
    assert.match(again, /nothing to change/);
    assert.deepEqual(
      Object.keys(after.metadata.labels).filter((name) => name.includes('kata')),
      [],
    );
  });

  /** Node1's pod says this of its node, or node2's. */
  async function says(name: string, more: object): Promise<void> {
    const change = { name: 'change', image: 'x', imageID: 'x', restartCount: 0, ready: true };
    const ended = { ...change, state: { terminated: { exitCode: 0, message: JSON.stringify({ ...report, ...more }) } } };
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], initContainerStatuses: [ended] };
    const pod = await podOf(name);
    const patched = ['patch', 'pod', pod.metadata.name, '-n', namespace, '--subresource=status', '--type=merge', '-p'];
    await lab.kubectl([...patched, JSON.stringify({ status })]);
  }

  async function fleet(): Promise<Fleet> {
    for (const name of ['node1', 'node2']) await heartbeat(name);
    const { stdout } = await lab.run([process.execPath, program(), 'status', '--fleet', '--json', '--kubeconfig', lab.kubeconfig]);
    const value = JSON.parse(stdout) as Record<string, unknown>;
    checkJson(value);
    return value as unknown as Fleet;
  }

  it('answers status --fleet', async () => {
    await podOf('node2');
    await says('node1', {});

    const { daemonSets, nodes } = await fleet();

    assert.deepEqual(
      daemonSets.map(({ name, mode, revision, desired }) => [name, mode, revision, desired]),
      [['kata-sysext', 'observe', 1, 2]],
    );
    assert.deepEqual(
      nodes.map(({ name, state, release, revision }) => [name, state, release, revision]),
      [
        ['node1', 'done', '4.2.0', 1],
        ['node2', 'starting', undefined, 1],
      ],
    );
  });

  it('goes back by the command that status --fleet prints, and not to the revision before', async () => {
    const [good, bad, fix] = ['4.2.0', '4.3.0', '4.3.1'].map(requested) as [NodeRequest, NodeRequest, NodeRequest];
    const short = (request: NodeRequest) => requestDigest(request).slice('sha256:'.length).slice(0, 12);
    const variable = (request: NodeRequest) => `KATA_SYSEXT_REQUEST=${JSON.stringify(request)}`;
    for (const [index, request] of [good, bad, fix].entries()) {
      await lab.kubectl(['set', 'env', 'daemonset/kata-sysext', '-n', namespace, '-c', 'change', variable(request)]);
      await untilRevision(index + 2);
    }
    await says('node1', {
      request: requestDigest(fix),
      state: 'failed',
      ready: false,
      proven: [short(good)],
      failed: [short(fix), short(bad)],
    });
    await says('node2', { request: requestDigest(good), proven: [short(good)] });
    const before = await fleet();
    const [kubectl, ...undo] = before.daemonSets[0]!.undo!.split(' ');

    await lab.kubectl(undo);

    const { daemonSets } = await untilRevision(5);
    assert.deepEqual([kubectl, before.daemonSets[0]?.lastGood], ['kubectl', 2]);
    assert.deepEqual([daemonSets[0]?.lastGood, daemonSets[0]?.undo], [5, undefined]);
  });

  /** The controller makes revisions a moment after the template. */
  async function untilRevision(revision: number): Promise<Fleet> {
    for (const deadline = Date.now() + 300_000; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
      const seen = await fleet();
      if (seen.daemonSets[0]?.revision === revision) return seen;
      if (Date.now() > deadline) throw new Error(`no revision ${revision}: ${JSON.stringify(seen)}`);
    }
  }
});
