import { setTimeout as pause } from 'node:timers/promises';
import { ApiError, type Client, type WatchEvent } from '../client.ts';
import { type Container, type Ended, type Pod, type Run, statusOf } from './status.ts';

/** What the containers of a node do. */
export interface Containers {
  /** Before the first container of a pod. */
  prepare(pod: Pod): Promise<void>;
  /** Runs an init container to its end. `token`: that of its pod, where it mounts one. At the signal it is killed. */
  run(container: Container, pod: Pod, token: string | undefined, signal: AbortSignal): Promise<Ended>;
  /** What the readiness probe says once the init containers have ended. */
  isReady(pod: Pod): Promise<boolean>;
}

export interface Kubelet {
  hear(event: WatchEvent): void;
  /** From now on it neither hears nor does anything. */
  leave(): void;
  /** Says that none of its pods is ready, whatever their probes said. */
  sayUnready(): Promise<void>;
  /** It hears at once what became of its pods meanwhile. */
  comeBack(): void;
  /** How many pods it has started so far. */
  started(): number;
  stop(): void;
}

const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** As the kubelet's, for a container that fails. */
const [firstBackOffMs, maxBackOffMs] = [10_000, 300_000];

/**
 * A stand-in for the kubelet of a node that is an object only: it runs the init containers of the node's pods one after the other, says in
 * their status what came of them, and lets pods go that are deleted. What a container does is the spec's.
 */
export function simulatedKubelet(client: Client, name: string, containers: Containers): Kubelet {
  const latest = new Map<string, Pod>();
  const running = new Map<string, RunningPod>();
  const going = new Set<string>();
  const ended = new AbortController();
  let present = Promise.resolve();
  let arrive: (() => void) | undefined;
  let started = 0;

  /** Does it until it is done or has become pointless: the server may be busy, and the node away. */
  async function insist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    while (!signal.aborted) {
      await present;
      if (signal.aborted) return undefined;
      try {
        return await work();
      } catch (error) {
        if (error instanceof ApiError && [404, 409].includes(error.status)) return undefined;
        await pause(300, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  const say = (pod: Pod, body: object, signal: AbortSignal) =>
    insist(() => client.send('PATCH', `${pathOf(pod)}/status`, { kubelet: name, type: 'strategic', body }), signal);

  /** One for all containers of a pod: it is younger than its ten minutes. */
  async function tokenOf(pod: Pod, signal: AbortSignal): Promise<string | undefined> {
    const { namespace, uid } = pod.metadata;
    const sources = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
    const expirationSeconds =
      sources.find((each) => each.serviceAccountToken !== undefined)?.serviceAccountToken?.expirationSeconds ?? 3600;
    const spec = { expirationSeconds, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid } };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${pod.spec.serviceAccountName}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    return (await insist(() => client.send<{ status: { token: string } }>('POST', path, { kubelet: name, body }), signal))?.status.token;
  }

  async function runPod(pod: Pod, own: RunningPod): Promise<void> {
    const { signal } = own.killed;
    const from = new Date();
    const runs = new Map<string, Run>();
    let token: string | undefined;
    await containers.prepare(pod);
    await say(pod, statusOf(pod, from, runs), signal);
    for (const container of pod.spec.initContainers ?? [])
      for (let restarts = 0; ; restarts += 1) {
        const began = new Date();
        if (mountsToken(container)) token ??= await tokenOf(pod, signal);
        if (signal.aborted) return;
        const end = await containers.run(container, pod, mountsToken(container) ? token : undefined, signal);
        if (signal.aborted) return;
        runs.set(container.name, { ...end, restarts, from: began, to: new Date() });
        if (end.exitCode === 0) break;
        await say(pod, statusOf(pod, from, runs), signal);
        await pause(Math.min(firstBackOffMs * 2 ** restarts, maxBackOffMs), undefined, { signal }).catch(() => undefined);
      }
    const isReady = await containers.isReady(pod);
    own.said = { isReady, body: statusOf(pod, from, runs, isReady) };
    await say(pod, own.said.body, signal);
  }

  function start(pod: Pod): void {
    const own: RunningPod = { killed: new AbortController(), done: Promise.resolve(), said: undefined };
    running.set(pod.metadata.uid, own);
    started += 1;
    own.done = runPod(pod, own).catch((error: unknown) => {
      if (!own.killed.signal.aborted) console.error(`simulated node ${name}: ${String(error)}`);
    });
  }

  async function letGo(pod: Pod): Promise<void> {
    const { uid } = pod.metadata;
    if (going.has(uid)) return;
    going.add(uid);
    const own = running.get(uid);
    own?.killed.abort();
    await own?.done;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid } };
    await insist(() => client.send('DELETE', pathOf(pod), { kubelet: name, body }), ended.signal);
    going.delete(uid);
  }

  function look(uid: string): void {
    const [pod, own] = [latest.get(uid), running.get(uid)];
    if (pod === undefined) {
      own?.killed.abort();
      running.delete(uid);
    } else if (pod.metadata.deletionTimestamp !== undefined) void letGo(pod);
    else if (own === undefined) start(pod);
    else if (own.said !== undefined && own.said.isReady !== isReadyBy(pod)) void say(pod, own.said.body, own.killed.signal);
  }

  return {
    hear: ({ type, object }) => {
      const { uid } = object.metadata;
      if (type === 'DELETED') latest.delete(uid);
      else latest.set(uid, object as Pod);
      if (arrive === undefined) look(uid);
    },
    leave: () => {
      if (arrive !== undefined) return;
      present = new Promise((resolve) => {
        arrive = resolve;
      });
    },
    sayUnready: async () => {
      for (const [uid, { said }] of running) {
        const pod = latest.get(uid);
        if (pod === undefined || said === undefined) continue;
        const conditions = ['Ready', 'ContainersReady'].map((type) => ({ type, status: 'False' }));
        await client.send('PATCH', `${pathOf(pod)}/status`, { kubelet: name, type: 'strategic', body: { status: { conditions } } });
      }
    },
    comeBack: () => {
      arrive?.();
      arrive = undefined;
      for (const uid of new Set([...latest.keys(), ...running.keys()])) look(uid);
    },
    started: () => started,
    stop: () => {
      ended.abort();
      for (const { killed } of running.values()) killed.abort();
      arrive?.();
    },
  };
}

interface RunningPod {
  killed: AbortController;
  done: Promise<void>;
  /** What it said last, once its containers run. */
  said: { isReady: boolean; body: object } | undefined;
}

function mountsToken({ volumeMounts = [] }: Container): boolean {
  return volumeMounts.some(({ mountPath }) => mountPath === tokenPath);
}

function pathOf({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
}

export function isReadyBy({ status }: { status?: { conditions?: { type: string; status: string }[] } }): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}
