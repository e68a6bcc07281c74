import assert from 'node:assert/strict';
import { BUSYBOX } from '../lab/containerd.ts';
import { KUBERNETES, type KubeLab, kubeLab } from '../lab/kube/index.ts';
import { stopAfter } from '../support/endings.ts';
import { whereKubernetes } from '../support/live/kubernetes.ts';
import { until } from '../support/live/unitWork.ts';

const nodes = [
  { name: 'node1', containerd: '1.7' },
  { name: 'node2', containerd: '2.0' },
  { name: 'node3', containerd: '2.3' },
] as const;

const everywhere = `apiVersion: apps/v1
kind: DaemonSet
metadata: { name: everywhere }
spec:
  selector: { matchLabels: { app: everywhere } }
  template:
    metadata: { labels: { app: everywhere } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: one
          image: ${BUSYBOX}
          imagePullPolicy: Never
          command: [sh, -c, 'echo here; exec sleep 36000']
`;

interface NodeObject {
  metadata: { name: string };
  status: { nodeInfo: { kubeletVersion: string; containerRuntimeVersion: string }; runtimeHandlers?: { name: string }[] };
}

describe('a cluster of the lab', function () {
  this.timeout(900_000);
  let lab: KubeLab;

  whereKubernetes(async () => {
    lab = await kubeLab({ nodes: [...nodes] });
  });
  stopAfter(() => lab);

  it('has nodes of three releases of containerd; those of 2.x say which handlers they have', async () => {
    const { items } = await lab.json<{ items: NodeObject[] }>(['get', 'nodes']);

    const seen = items.map(({ metadata: { name }, status: { nodeInfo, runtimeHandlers } }) => [
      name,
      nodeInfo.kubeletVersion,
      /^containerd:\/\/(\d+\.\d+)/.exec(nodeInfo.containerRuntimeVersion)?.[1],
      runtimeHandlers?.map((handler) => handler.name).sort(),
    ]);
    assert.deepEqual(seen, [
      ['node1', `v${KUBERNETES}`, '1.7', undefined],
      ['node2', `v${KUBERNETES}`, '2.0', ['', 'runc']],
      ['node3', `v${KUBERNETES}`, '2.3', ['', 'runc']],
    ]);
  });

  it('runs a pod of a DaemonSet on each node, whose log and processes can be reached', async () => {
    await lab.applyYaml(everywhere);
    // A node that was not ready a moment ago is none of its nodes yet, so that the rollout may end without it.
    const ready = async () => (await lab.json<{ status: { numberReady: number } }>(['get', 'daemonset', 'everywhere'])).status.numberReady;
    await until(async () => (await ready()) === nodes.length, 'each node has a pod that is ready');
    const names = (await lab.kubectl(['get', 'pods', '-l', 'app=everywhere', '-o', 'name'])).stdout.trim().split('\n');
    // A container runs before its first word.
    const said = () => Promise.all(names.map(async (name) => (await lab.kubectl(['logs', name])).stdout));
    await until(async () => (await said()).every((text) => text !== ''), 'each pod says something');
    const run = await Promise.all(names.map(async (name) => (await lab.kubectl(['exec', name, '--', 'hostname'])).stdout.trim()));

    assert.deepEqual(await said(), ['here\n', 'here\n', 'here\n']);
    assert.deepEqual(
      run,
      names.map((name) => name.replace('pod/', '')),
    );
  });

  it('has a node that reboots, and is Ready again with its pod', async () => {
    await lab.node('node2').reboot();
    await lab.ready('node2');
    await lab.kubectl(['rollout', 'status', 'daemonset/everywhere', '--timeout=300s']);

    assert.equal((await lab.kubectl(['get', 'nodes', '--no-headers'])).stdout.match(/ Ready /g)?.length, 3);
  });

  it('goes on when its API server was away', async () => {
    const ask = ['get', '--raw', '/readyz'];
    await lab.apiServer.stop();
    const away = await lab.kubectl(ask, '', { allowFailure: true });
    await lab.apiServer.start();
    await lab.kubectl(['rollout', 'restart', 'daemonset/everywhere']);
    await lab.kubectl(['rollout', 'status', 'daemonset/everywhere', '--timeout=300s']);

    assert.notEqual(away.code, 0);
    assert.equal((await lab.kubectl(ask)).stdout, 'ok');
  });
});
