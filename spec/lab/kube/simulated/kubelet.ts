import type { Client, WatchEvent } from '../client.ts';
import { type Containers, endPod, type RunningPod, type Surroundings, sayStatus, startPod } from './pod.ts';
import { presenceOf } from './presence.ts';
import { isReadyBy, type Pod, pathOf } from './status.ts';

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

/**
 * A stand-in for the kubelet of a node that is an object only: it runs the init containers of the node's pods one after the other, says in
 * their status what came of them, and lets pods go that are deleted. What a container does is the spec's.
 */
export function simulatedKubelet(client: Client, name: string, containers: Containers): Kubelet {
  const presence = presenceOf();
  const around: Surroundings = { client, name, containers, presence };
  const latest = new Map<string, Pod>();
  const running = new Map<string, RunningPod>();
  const going = new Set<string>();
  const ended = new AbortController();
  let started = 0;

  async function letGo(pod: Pod): Promise<void> {
    const { uid } = pod.metadata;
    if (going.has(uid)) return;
    going.add(uid);
    await endPod(around, pod, running.get(uid), ended.signal);
  }

  function look(uid: string): void {
    const [pod, own] = [latest.get(uid), running.get(uid)];
    if (pod === undefined) {
      own?.killed.abort();
      running.delete(uid);
    } else if (pod.metadata.deletionTimestamp !== undefined) void letGo(pod);
    else if (own === undefined) {
      started += 1;
      running.set(uid, startPod(around, pod));
    } else if (own.said !== undefined && own.said.isReady !== isReadyBy(pod)) void sayStatus(around, pod, own.said.body, own.killed.signal);
  }

  return {
    hear: ({ type, object }) => {
      const { uid } = object.metadata;
      if (type === 'DELETED') latest.delete(uid);
      else latest.set(uid, object as Pod);
      if (!presence.isAway()) look(uid);
    },
    leave: presence.leave,
    sayUnready: async () => {
      const conditions = ['Ready', 'ContainersReady'].map((type) => ({ type, status: 'False' }));
      for (const pod of latest.values())
        await client.send('PATCH', `${pathOf(pod)}/status`, { kubelet: name, type: 'strategic', body: { status: { conditions } } });
    },
    comeBack: () => {
      presence.comeBack();
      for (const uid of new Set([...latest.keys(), ...running.keys()])) look(uid);
    },
    started: () => started,
    stop: () => {
      ended.abort();
      for (const { killed } of running.values()) killed.abort();
      presence.comeBack();
    },
  };
}
