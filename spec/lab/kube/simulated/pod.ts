import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '../client.ts';
import type { Presence } from './presence.ts';
import { type Container, type Ended, type Pod, pathOf, type Run, statusOf } from './status.ts';

/** What the containers of a node do. */
export interface Containers {
  /** Before the first container of a pod. */
  prepare(pod: Pod): Promise<void>;
  /** Runs an init container to its end. `token`: that of its pod, where it mounts one. At the signal it is killed. */
  run(container: Container, pod: Pod, token: string | undefined, signal: AbortSignal): Promise<Ended>;
  /** What the readiness probe says once the init containers have ended. */
  isReady(pod: Pod): Promise<boolean>;
}

/** A node as its pods see it. */
export interface Surroundings {
  client: Client;
  name: string;
  containers: Containers;
  presence: Presence;
}

export interface RunningPod {
  killed: AbortController;
  done: Promise<void>;
  /** What was said of it last, once its containers run. */
  said: { isReady: boolean; body: object } | undefined;
}

const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** As the kubelet's, for a container that fails. */
const [firstBackOffMs, maxBackOffMs] = [10_000, 300_000];

/** Starts the containers of a pod. */
export function startPod(around: Surroundings, pod: Pod): RunningPod {
  const own: RunningPod = { killed: new AbortController(), done: Promise.resolve(), said: undefined };
  own.done = runPod(around, pod, own).catch((error: unknown) => {
    if (!own.killed.signal.aborted) console.error(`simulated node ${around.name}: ${String(error)}`);
  });
  return own;
}

/** Kills the containers of a pod, and then it is gone. */
export async function endPod(
  { client, name, presence }: Surroundings,
  pod: Pod,
  own: RunningPod | undefined,
  signal: AbortSignal,
): Promise<void> {
  own?.killed.abort();
  await own?.done;
  const preconditions = { uid: pod.metadata.uid };
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions };
  await presence.insist(() => client.send('DELETE', pathOf(pod), { kubelet: name, body }), signal);
}

async function runPod(around: Surroundings, pod: Pod, own: RunningPod): Promise<void> {
  const { signal } = own.killed;
  const { containers } = around;
  const from = new Date();
  const runs = new Map<string, Run>();
  let token: string | undefined;
  await containers.prepare(pod);
  await sayStatus(around, pod, statusOf(pod, from, runs), signal);
  for (const container of pod.spec.initContainers ?? [])
    for (let restarts = 0; ; restarts += 1) {
      const began = new Date();
      if (mountsToken(container)) token ??= await tokenOf(around, pod, signal);
      if (signal.aborted) return;
      const end = await containers.run(container, pod, mountsToken(container) ? token : undefined, signal);
      if (signal.aborted) return;
      runs.set(container.name, { ...end, restarts, from: began, to: new Date() });
      if (end.exitCode === 0) break;
      await sayStatus(around, pod, statusOf(pod, from, runs), signal);
      await pause(Math.min(firstBackOffMs * 2 ** restarts, maxBackOffMs), undefined, { signal }).catch(() => undefined);
    }
  const isReady = await containers.isReady(pod);
  own.said = { isReady, body: statusOf(pod, from, runs, isReady) };
  await sayStatus(around, pod, own.said.body, signal);
}

export async function sayStatus({ client, name, presence }: Surroundings, pod: Pod, body: object, signal: AbortSignal): Promise<void> {
  await presence.insist(() => client.send('PATCH', `${pathOf(pod)}/status`, { kubelet: name, type: 'strategic', body }), signal);
}

/** One for all containers of a pod: it is younger than its ten minutes. */
async function tokenOf({ client, name, presence }: Surroundings, pod: Pod, signal: AbortSignal): Promise<string | undefined> {
  const { namespace, uid } = pod.metadata;
  const sources = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  const expirationSeconds = sources.find((each) => each.serviceAccountToken !== undefined)?.serviceAccountToken?.expirationSeconds ?? 3600;
  const spec = { expirationSeconds, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid } };
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${pod.spec.serviceAccountName}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const asked = presence.insist(() => client.send<{ status: { token: string } }>('POST', path, { kubelet: name, body }), signal);
  return (await asked)?.status.token;
}

function mountsToken({ volumeMounts = [] }: Container): boolean {
  return volumeMounts.some(({ mountPath }) => mountPath === tokenPath);
}
