import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inCluster } from '../../cli/cluster/inCluster.ts';
import { nodeState, planLabels } from '../../cli/cluster/labels.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { label } from '../../cli/nodePod/steps/label.ts';
import { leaveMessage } from '../../cli/nodePod/terminationMessage.ts';
import { fleetMessage, type NodeReport, readFleetMessage } from '../../cli/requests/index.ts';
import { type Answered, type Asked, type FakeApi, fakeApi } from '../support/fakeApi.ts';
import { nodeReport } from '../support/nodeReport.ts';
import { scratch } from '../support/trees/treeHost.ts';

const runtime = ['katacontainers.io/kata-runtime', 'kata-deploy.katacontainers.io/default'];
const own = 'katacontainers.io/kata-sysext';
const proof = { [runtime[0]!]: 'true', [runtime[1]!]: 'true', [own]: '2-4.1.0' };
const notReady = { key: 'kata-sysext/not-ready', effect: 'NoSchedule', timeAdded: '2026-01-01T00:00:00Z' };

interface Has {
  labels?: Record<string, string>;
  taints?: object[];
  handlers?: string[];
}

function node({ labels, taints, handlers }: Has, name = 'node1'): object {
  return {
    kind: 'Node',
    metadata: { name, ...(labels && { labels }) },
    spec: { taints },
    status: { runtimeHandlers: handlers?.map((name) => ({ name })) },
  };
}

/** What the node has after the steps of the plan. */
function patched(has: Has, report: NodeReport | undefined): { labels: Record<string, unknown>; taints: unknown[]; steps: number } {
  const { steps } = planLabels(report, nodeState(node(has))!);
  const labels: Record<string, unknown> = { ...has.labels };
  const taints: unknown[] = [...(has.taints ?? [])];
  for (const step of steps) {
    const [, place, name] = /^\/(?:metadata\/labels|spec\/(taints))\/?(.*)$/.exec(step.path)!;
    if (place === 'taints') {
      if (step.op === 'test') assert.deepEqual(step.value, taints[Number(name)]);
      else taints.splice(Number(name), 1);
    } else if (step.op === 'remove') delete labels[name!.replaceAll('~1', '/')];
    else if (name !== '') labels[name!.replaceAll('~1', '/')] = (step as { value: unknown }).value;
  }
  return { labels, taints, steps: steps.length };
}

describe('labels of a node', () => {
  const other = { 'kubernetes.io/os': 'linux' };
  const rows: [title: string, has: Has, report: NodeReport | undefined, wanted: Has][] = [
    [
      'are set by an install that is done',
      { labels: other, handlers: ['', 'runc', 'kata-qemu'] },
      nodeReport(),
      { labels: { ...other, ...proof } },
    ],
    ['are set where the node lists no handlers at all', { labels: other }, nodeReport(), { labels: { ...other, ...proof } }],
    ['are set on a node without any', {}, nodeReport(), { labels: proof }],
    ['are not set where a handler is not listed', { labels: other, handlers: ['runc'] }, nodeReport(), { labels: other }],
    ['are not set by an observation', { labels: other }, nodeReport({ mode: 'observe', state: 'observed' }), { labels: other }],
    ['stay when the next request only observes', { labels: proof }, nodeReport({ mode: 'observe', state: 'observed' }), { labels: proof }],
    [
      'stay when an upgrade failed',
      { labels: proof, handlers: ['kata-qemu'] },
      nodeReport({ state: 'failed', ready: false }),
      { labels: proof },
    ],
    [
      'go when a handler is no more',
      { labels: { ...other, ...proof }, handlers: ['runc'] },
      nodeReport({ state: 'held' }),
      { labels: other },
    ],
    ['go where the node cannot have Kata', { labels: { ...other, ...proof } }, nodeReport({ state: 'unsuitable' }), { labels: other }],
    [
      'go with an uninstallation',
      { labels: { ...other, ...proof } },
      nodeReport({ mode: 'uninstall', handlers: [], generation: undefined, release: undefined }),
      { labels: other },
    ],
    ['go before an uninstallation', { labels: { ...other, ...proof } }, undefined, { labels: other }],
    ['of another installer stay', { labels: { [runtime[0]!]: 'true' } }, undefined, { labels: { [runtime[0]!]: 'true' } }],
    [
      'follow the release',
      { labels: proof },
      nodeReport({ generation: 3, release: '4.2.0+x/1~' }),
      { labels: { ...proof, [own]: '3-4.2.0_x_1' } },
    ],
    [
      'come with the end of the startup taint, and no other taint ends',
      { taints: [{ key: 'a', effect: 'NoSchedule' }, notReady] },
      nodeReport(),
      { labels: proof, taints: [{ key: 'a', effect: 'NoSchedule' }] },
    ],
    [
      'that are not proven leave the startup taint',
      { taints: [notReady], handlers: ['runc'] },
      nodeReport(),
      { labels: {}, taints: [notReady] },
    ],
  ];
  for (const [title, has, report, wanted] of rows)
    it(title, () => {
      const { labels, taints } = patched(has, report);

      assert.deepEqual(labels, wanted.labels);
      assert.deepEqual(taints, wanted.taints ?? []);
    });

  it('that are right need no request that changes', () => {
    const { steps } = patched({ labels: proof, handlers: ['kata-qemu'] }, nodeReport());

    assert.equal(steps, 0);
  });
});

describe('node-pod label', () => {
  let root: string;
  let api: FakeApi | undefined;
  beforeEach(() => {
    root = scratch('label');
  });
  afterEach(() => api?.close());

  async function labelled(
    answer: (asked: Asked, count: number) => Answered,
    report: NodeReport | undefined = nodeReport(),
  ): Promise<string> {
    let count = 0;
    api = await fakeApi((asked) => answer(asked, ++count));
    const host = openHost(root, api.pod(root));
    return label(await inCluster(host, undefined, { answerMs: 1000, maxBytes: 100_000, tries: 1 }), 'node1', report, [1, 1]);
  }

  it('asks once where nothing is to be done', async () => {
    const said = await labelled(() => ({ json: node({ labels: proof, handlers: ['kata-qemu'] }) }));

    assert.match(said, /nothing to change/);
    assert.deepEqual(
      api!.asked.map(({ method, path, authorization }) => [method, path, authorization]),
      [['GET', '/api/v1/nodes/node1', 'Bearer token-of-the-pod']],
    );
  });

  it('waits for the kubelet, and changes its node by one patch', async () => {
    await labelled(({ method }, count) => ({
      json: method === 'PATCH' ? {} : node({ handlers: count < 3 ? ['runc'] : ['runc', 'kata-qemu'] }),
    }));

    assert.deepEqual(
      api!.asked.map(({ method, type }) => [method, type]),
      [
        ['GET', ''],
        ['GET', ''],
        ['GET', ''],
        ['PATCH', 'application/json-patch+json'],
      ],
    );
  });

  it('looks again, once, where the taints changed in between', async () => {
    const taints = (first: boolean) => (first ? [notReady] : [{ key: 'a', effect: 'NoSchedule' }, notReady]);

    await labelled(({ method }, count) =>
      method === 'GET' ? { json: node({ labels: proof, taints: taints(count === 1) }) } : { status: count === 2 ? 422 : 200, json: {} },
    );

    assert.deepEqual(
      api!.asked.map(({ method, body }) => [method, (body as { path: string }[] | undefined)?.[0]?.path]),
      [
        ['GET', undefined],
        ['PATCH', '/spec/taints/0'],
        ['GET', undefined],
        ['PATCH', '/spec/taints/1'],
      ],
    );
  });

  it('takes the labels and fails where the kubelet never lists a handler, with four requests', async () => {
    const failure = labelled(({ method }) => ({ json: method === 'PATCH' ? {} : node({ labels: proof, handlers: ['runc'] }) }));

    await assert.rejects(failure, { code: 'node-unproven' });
    assert.deepEqual(
      api!.asked.map(({ method }) => method),
      ['GET', 'GET', 'GET', 'PATCH'],
    );
  });

  const bad: [title: string, answer: Answered, code: string, words: RegExp][] = [
    ['another node', { json: node({}, 'node2') }, 'cluster-answer', /another object/],
    ['what is no node', { json: [1, 2] }, 'cluster-answer', /another object/],
    ['what is no JSON', (response) => response.end('<html>'), 'cluster-answer', /no JSON/],
    [
      'a key that leads elsewhere',
      (response) => response.end('{"__proto__": {"kind": "Node"}}'),
      'cluster-answer',
      /no JSON of an API server/,
    ],
    ['without an end', (response) => response.write('x'.repeat(200_000)), 'cluster-answer', /more than 100000 bytes/],
    ['nothing for long', () => undefined, 'cluster-unreachable', /no answer within 1 s/],
    ['a redirect', (response) => response.writeHead(302, { location: 'https://localhost:1/' }).end('{}'), 'cluster-refused', /status 302/],
    [
      'no',
      { status: 403, json: { kind: 'Status', message: 'nodes "node1" is forbidden' } },
      'cluster-refused',
      /get nodes: status 403 \(nodes "node1" is forbidden\)/,
    ],
  ];
  for (const [title, answer, code, words] of bad)
    it(`fails where the server answers ${title}`, async () => {
      const error = await labelled(() => answer).then(
        () => undefined,
        (error: unknown) => error as KataError,
      );

      assert.equal(error?.code, code);
      assert.match(error.complaint.found, words);
    });

  for (const [name, value] of [
    ['KUBERNETES_SERVICE_HOST', 'localhost/x'],
    ['KUBERNETES_SERVICE_PORT', '443/x'],
  ] as const)
    it(`sends its token nowhere where ${name} is no such thing`, async () => {
      api = await fakeApi(() => ({ json: {} }));
      const host = openHost(root, { ...api.pod(root), [name]: value });

      await assert.rejects(inCluster(host), { code: 'node-pod-environment' });
    });
});

describe('what a node pod leaves in its status', () => {
  it('is its report, in at most 4,096 bytes, whatever is in it', () => {
    const report = nodeReport({ reason: '\u202e"'.repeat(2000), release: 'é'.repeat(3000), failed: ['b'.repeat(12)] });

    const message = fleetMessage(report);

    assert.ok(Buffer.byteLength(message) <= 4096);
    assert.deepEqual(readFleetMessage(message)?.failed, report.failed);
  });

  for (const text of ['', 'killed', '{"kind":"NodeReport"}', '{"__proto__":{}}', `${'['.repeat(3000)}`])
    it(`is not ${text.slice(0, 30)}`, () => {
      assert.equal(readFleetMessage(text), undefined);
    });

  it('goes where the kubelet has a file for it, and makes none', async () => {
    const root = scratch('message');
    const host = openHost(root, {});
    await leaveMessage(host, 'first');
    mkdirSync(join(root, 'dev'));
    writeFileSync(join(root, 'dev/termination-log'), 'longer than that');

    await leaveMessage(host, 'second');

    assert.equal(readFileSync(join(root, 'dev/termination-log'), 'utf8'), 'second');
  });
});
