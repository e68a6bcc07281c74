import assert from 'node:assert/strict';
import { inCluster } from '../../cli/cluster/inCluster.ts';
import { openHost } from '../../cli/host/index.ts';
import { withdraw } from '../../cli/nodePod/steps/withdraw.ts';
import { fleetMessage } from '../../cli/requests/index.ts';
import { type Answered, type Asked, type FakeApi, fakeApi } from '../support/fakeApi.ts';
import { runInProcess } from '../support/inProcess.ts';
import { scratch } from '../support/trees/treeHost.ts';

const sets = '/apis/apps/v1/namespaces/kata-sysext/daemonsets';
const patches = { 'kata-sysext': { spec: { a: 1 } }, 'kata-sysext-canary': { spec: { b: 2 } } };

function daemonSet(generation: number, [observed, wanted, updated, ready]: [number, number, number, number]): Answered {
  const status = { observedGeneration: observed, desiredNumberScheduled: wanted, updatedNumberScheduled: updated, numberReady: ready };
  return { json: { kind: 'DaemonSet', metadata: { generation }, status } };
}

const gone: Answered = { status: 404, json: { kind: 'Status', code: 404 } };

describe('node-pod withdraw', function () {
  this.timeout(60_000);
  let root: string;
  let api: FakeApi | undefined;
  beforeEach(() => {
    root = scratch('withdraw');
  });
  afterEach(() => api?.close());

  async function withdrawn(answer: (asked: Asked, count: number) => Answered): Promise<string[]> {
    let count = 0;
    api = await fakeApi((asked) => answer(asked, ++count));
    const host = openHost(root, api.pod(root));
    const lines: string[] = [];
    const limits = { answerMs: 5000, maxBytes: 100_000, tries: 1 };
    await withdraw(await inCluster(host, undefined, limits), 'kata-sysext', patches, { line: (text) => lines.push(text), pollMs: 1 });
    return lines;
  }

  it('gives each DaemonSet its patch, and waits until all nodes are ready with it', async () => {
    const states: [number, number, number, number][] = [
      [1, 3, 3, 3],
      [2, 3, 1, 2],
      [2, 3, 3, 2],
      [2, 3, 3, 3],
    ];
    const lines = await withdrawn(({ method, path }) => {
      if (path.startsWith('/api/v1/')) return { json: { items: [] } };
      if (path.endsWith('-canary')) return gone;
      return method === 'PATCH' ? { json: {} } : daemonSet(2, states.shift()!);
    });

    assert.deepEqual(
      api!.asked.filter(({ method }) => method === 'PATCH').map(({ path, type, body }) => [path, type, body]),
      Object.entries(patches).map(([name, body]) => [`${sets}/${name}`, 'application/merge-patch+json', body]),
    );
    assert.deepEqual(states, []);
    assert.deepEqual(lines, [
      'kata-sysext: the request is on its way to 3 nodes',
      'kata-sysext: 1 of 3 nodes have the request, 2 are ready',
      'kata-sysext: 3 of 3 nodes have the request, 2 are ready',
      'kata-sysext: 3 of 3 nodes have the request, 3 are ready',
    ]);
  });

  it('has nothing to wait for where both are gone', async () => {
    const lines = await withdrawn(() => gone);

    assert.deepEqual(lines, []);
    assert.equal(api!.asked.length, 2);
  });

  it('names nodes that are not ready, with the reason of their report', async () => {
    const report = fleetMessage({
      request: `sha256:${'a'.repeat(64)}`,
      mode: 'uninstall',
      state: 'waiting',
      ready: false,
      reason: 'pods of kata-qemu run: web/a',
      handlers: ['kata-qemu'],
      engine: 'containerd 2.1.9',
      system: 'x',
      restarts: 0,
      at: '2026-11-30T00:00:00.000Z',
    });
    const pod = (nodeName: string, ready: string, message: string, isRunAgain = false) => ({
      spec: { nodeName },
      status: {
        conditions: [{ type: 'Ready', status: ready }],
        initContainerStatuses: [
          {
            name: 'change',
            ...(isRunAgain ? { state: { running: {} }, lastState: { terminated: { message } } } : { state: { terminated: { message } } }),
          },
        ],
      },
    });
    const selectors: unknown[] = [];
    const items = [pod('node1', 'True', report), pod('node2', 'False', report, true), pod('node3', 'False', 'other words')];
    let asked = 0;
    const lines = await withdrawn(({ method, path }) => {
      if (path.startsWith('/api/v1/')) selectors.push(new URL(path, 'https://api').searchParams.get('labelSelector'));
      if (path.startsWith('/api/v1/')) return { json: { items } };
      if (path.endsWith('-canary')) return gone;
      if (method === 'PATCH') return { json: {} };
      asked += 1;
      return daemonSet(2, [2, 3, 3, asked === 1 ? 1 : 3]);
    });

    assert.deepEqual(selectors, ['app.kubernetes.io/name=kata-sysext,app.kubernetes.io/component in (node,canary)']);
    assert.deepEqual(lines.slice(1, 3), ['  node2: waiting: pods of kata-qemu run: web/a', '  node3: not ready yet']);
  });

  it('goes on where the API server is away for a moment, and ends where it refuses', async () => {
    let asked = 0;
    const away = await withdrawn(({ method, path }) => {
      if (path.startsWith('/api/v1/')) return { json: {} };
      if (path.endsWith('-canary')) return gone;
      if (method === 'PATCH') return { json: {} };
      asked += 1;
      return asked === 1 ? (response) => response.destroy() : daemonSet(2, [2, 0, 0, 0]);
    });
    await api!.close();
    const refused = withdrawn(() => ({ status: 403, json: { message: 'no' } }));

    assert.equal(away[0], 'kata-sysext: not known');
    await assert.rejects(refused, { code: 'cluster-refused' });
  });

  it('refuses an environment that the chart does not make', async () => {
    const wrong = [
      {},
      { KATA_SYSEXT_NAMESPACE: 'kata-sysext' },
      { KATA_SYSEXT_NAMESPACE: '../x', KATA_SYSEXT_PATCHES: '{"a": {}}' },
      { KATA_SYSEXT_NAMESPACE: 'a', KATA_SYSEXT_PATCHES: '{"../b": {}}' },
      { KATA_SYSEXT_NAMESPACE: 'a', KATA_SYSEXT_PATCHES: '{"__proto__": {}}' },
    ];

    const answers = await Promise.all(wrong.map((env) => runInProcess(['node-pod', 'withdraw'], { env: env as Record<string, string> })));

    for (const { status, stderr } of answers) {
      assert.notEqual(status, 0);
      assert.match(stderr, /KATA_SYSEXT_(NAMESPACE|PATCHES) is missing, or is something else/);
    }
  });
});
