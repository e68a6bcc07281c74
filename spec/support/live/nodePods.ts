import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeReport } from '../../../cli/requests/index.ts';
import { BUSYBOX } from '../../lab/containerd.ts';
import { type KubeLab, kubeLab, type NodeOptions } from '../../lab/kube/index.ts';
import { FIRST, type SampleRelease, SECOND, sampleRelease } from '../../lab/release/index.ts';
import { loadNodeImage } from '../nodeImage.ts';
import { containerd } from './liveHost.ts';
import { generated, imageOf, type Mode, nodeManifest } from './nodeManifests.ts';

const namespace = 'kata-sysext';
const set = 'daemonset/kata-sysext';
const selected = 'app.kubernetes.io/name=kata-sysext,app.kubernetes.io/component=node';

/** A pod of Kata on each node that has it. */
export const kataWork = `apiVersion: apps/v1
kind: DaemonSet
metadata: { name: work }
spec:
  selector: { matchLabels: { app: work } }
  template:
    metadata: { labels: { app: work } }
    spec:
      runtimeClassName: kata-qemu-runtime-rs
      terminationGracePeriodSeconds: 1
      containers: [{ name: one, image: '${BUSYBOX}', imagePullPolicy: Never, command: [sh, -c, exec sleep 36000] }]
`;

export interface Fleet {
  lab: KubeLab;
  names: string[];
  first: SampleRelease;
  second: SampleRelease;
  /** Path on the nodes. */
  bundle(release: SampleRelease): string;
  /** The manifest of a request; it is not applied. */
  manifest(mode: Mode, request: object): Promise<string>;
  /** The folder of the chart, and a file with the values of a request and more of them. */
  chart(request: object, more?: object): Promise<{ chart: string; values: string }>;
  /** Applies a manifest, and from now on again every five seconds, as a controller of GitOps does. */
  keep(manifest: string): Promise<void>;
  /** Nothing is applied again from now on. */
  letGo(): Promise<void>;
  rolledOut(seconds?: number): Promise<void>;
  undo(revision: number): Promise<void>;
  /** The newest revision of the DaemonSet, and how often its template changed. */
  revision(): Promise<{ newest: number; generation: number }>;
  report(name: string): Promise<NodeReport>;
  pod(name: string): Promise<PodObject | undefined>;
  /** Deletes the pod of a node, and waits until the step `change` of the next one has ended. */
  replacePod(name: string): Promise<void>;
  /** Deletes it at once, with its watcher. */
  killPod(name: string): Promise<void>;
  /** Waits until the step `change` of a node's pod has ended in the boot that the node is in. */
  changed(name: string, since?: number): Promise<void>;
  restarts(name: string): Promise<Restart[]>;
  stop(): Promise<void>;
}

/** From the first stop of the engine to the next time that it runs, in microseconds since 1970. */
export interface Restart {
  node: string;
  from: number;
  to: number;
}

export interface PodObject {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status: { initContainerStatuses?: ContainerStatus[]; containerStatuses?: ContainerStatus[]; phase: string };
}

interface ContainerStatus {
  name: string;
  restartCount: number;
  state: { terminated?: Ended; running?: { startedAt: string } };
  /** Of the run before. */
  lastState?: { terminated?: Ended };
}

interface Ended {
  exitCode: number;
  finishedAt: string;
  message?: string;
}

/** A cluster with the image of the node pod, and both sample releases on every node; nothing of kata-sysext is in it yet. */
export async function nodePodFleet(nodes: NodeOptions[]): Promise<Fleet> {
  const [first, second] = [await sampleRelease(FIRST), await sampleRelease(SECOND)];
  const binds = { [first.folder]: '/mnt/first', [second.folder]: '/mnt/second' };
  const lab = await kubeLab({ nodes: nodes.map((node) => ({ ...node, binds: { ...binds, ...node.binds } })) });
  const names = nodes.map(({ name }) => name);
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-manifests-'));
  try {
    const image = await loadNodeImage(names.map(lab.node));
    const keeping = keeper(lab);
    return {
      ...{ lab, names, first, second },
      bundle: (release) => `/mnt/${release === first ? 'first' : 'second'}/${basename(release.static)}`,
      manifest: (mode, request) => nodeManifest(folder, mode, valuesOf(image, request)),
      chart: async (request, more) => {
        const out = await generated('chart', folder, { ...valuesOf(image, request), ...more });
        return { chart: join(out, 'kata-sysext'), values: join(out, 'values.yaml') };
      },
      ...keeping,
      ...rollouts(lab),
      ...pods(lab),
      stop: async () => {
        await keeping.letGo();
        await lab.stop();
        rmSync(folder, { recursive: true });
      },
    };
  } catch (error) {
    await lab.stop();
    rmSync(folder, { recursive: true });
    throw error;
  }
}

/** No node of the lab has KVM. */
function valuesOf(image: string, request: object): object {
  return { image: imageOf(image), maxUnavailable: 1, request: { backend: 'prefix', allow: ['host-no-kvm'], ...request } };
}

function keeper(lab: KubeLab): Pick<Fleet, 'keep' | 'letGo'> {
  let ended = new AbortController();
  let running = Promise.resolve();
  const letGo = async () => {
    ended.abort();
    await running;
  };
  return {
    letGo,
    keep: async (manifest) => {
      await letGo();
      await lab.applyYaml(manifest);
      ended = new AbortController();
      const { signal } = ended;
      running = (async () => {
        // The API server may be away.
        while (await pause(5000, true, { signal }).catch(() => false))
          await lab.kubectl(['apply', '-f', '-'], manifest, { allowFailure: true });
      })();
    },
  };
}

function rollouts(lab: KubeLab): Pick<Fleet, 'rolledOut' | 'undo' | 'revision'> {
  const of = (...args: string[]) => lab.kubectl(['-n', namespace, 'rollout', ...args]);
  return {
    rolledOut: async (seconds = 600) => {
      await of('status', set, `--timeout=${seconds}s`);
    },
    undo: async (revision) => {
      await of('undo', set, `--to-revision=${revision}`);
    },
    revision: async () => {
      const { items } = await lab.json<{ items: { revision: number }[] }>(['-n', namespace, 'get', 'controllerrevisions']);
      const { metadata } = await lab.json<{ metadata: { generation: number } }>(['-n', namespace, 'get', set]);
      return { newest: Math.max(...items.map(({ revision }) => revision)), generation: metadata.generation };
    },
  };
}

function pods(lab: KubeLab): Pick<Fleet, 'report' | 'pod' | 'replacePod' | 'killPod' | 'changed' | 'restarts'> {
  const pod = async (name: string) => {
    const args = ['-n', namespace, 'get', 'pods', '-l', selected, '--field-selector', `spec.nodeName=${name}`];
    const { items } = await lab.json<{ items: PodObject[] }>(args);
    return items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  const remove = async (name: string, ...flags: string[]) => {
    const found = await pod(name).catch(() => undefined);
    if (found === undefined) return;
    await lab.kubectl(['-n', namespace, 'delete', 'pod', found.metadata.name, ...flags], '', { allowFailure: true });
  };
  const changed = async (name: string, since = 0) => {
    for (const deadline = Date.now() + 300_000; ; await pause(200)) {
      const status = (await pod(name).catch(() => undefined))?.status.initContainerStatuses?.find((each) => each.name === 'change');
      const ended = status?.state.terminated;
      if (ended !== undefined && Date.parse(ended.finishedAt) + 1000 > since) {
        if (ended.exitCode === 0) return;
      }
      if (Date.now() > deadline) throw new Error(`the step change on ${name} does not end: ${JSON.stringify(status)}`);
    }
  };
  return {
    pod,
    changed,
    report: async (name) => JSON.parse((await lab.node(name).run(['cat', '/etc/kata-sysext/report.json'])).stdout) as NodeReport,
    replacePod: async (name) => {
      await remove(name, '--grace-period=1');
      await changed(name);
    },
    killPod: (name) => remove(name, '--grace-period=0', '--force'),
    restarts: (name) => restartsOf(lab, name),
  };
}

/** Of systemd's catalogue: sd-messages.h. */
const [stopping, started] = ['de5b426a63be47a7b6ac3eaac82e2f6f', '39f53479d3a045ac8e11786248231fbf'];

/** By the journal of the boot that the node is in; its start at boot is none. */
async function restartsOf(lab: KubeLab, node: string): Promise<Restart[]> {
  const fields = 'MESSAGE_ID,__REALTIME_TIMESTAMP';
  const { stdout } = await lab
    .node(node)
    .run(['journalctl', '-b', '-o', 'json', `--output-fields=${fields}`, '_PID=1', `UNIT=${containerd}`]);
  const restarts: Restart[] = [];
  let from: number | undefined;
  for (const line of stdout.split('\n').filter(Boolean)) {
    const entry = JSON.parse(line) as { MESSAGE_ID?: string; __REALTIME_TIMESTAMP: string };
    if (entry.MESSAGE_ID === stopping) from ??= Number(entry.__REALTIME_TIMESTAMP);
    if (entry.MESSAGE_ID !== started || from === undefined) continue;
    restarts.push({ node, from, to: Number(entry.__REALTIME_TIMESTAMP) });
    from = undefined;
  }
  return restarts;
}
