import { setTimeout as pause } from 'node:timers/promises';
import { apiClient, type Client } from '../client.ts';
import type { KubeLab } from '../index.ts';
import { type Kubelet, simulatedKubelet } from './kubelet.ts';
import { register, renewLease, sayHandlers, sayReady } from './node.ts';
import type { Containers } from './pod.ts';
import { isReadyBy, type Pod } from './status.ts';

export type { Containers } from './pod.ts';
export { type Container, isReadyBy, type Pod } from './status.ts';

/** How a node loses its readiness: nothing of it reaches the API server, or its kubelet says that neither node nor pods are ready. */
export type Loss = 'cut off' | 'boots';

/** Nodes that are objects only, beside a real control plane: each has a lease that is kept, and a stand-in for its kubelet. */
export interface Simulation {
  /** Ends when the API server says of each that it is not Ready. */
  loseReadiness(losses: ReadonlyMap<string, Loss>): Promise<void>;
  /**
   * Ends when each is Ready again. Of those in `podsFirst` the kubelet starts the next pod before it says so, as a kubelet does that hears of
   * its pods before its node's status is due; there has to be such a pod.
   */
  comeBack(names: readonly string[], podsFirst?: ReadonlySet<string>): Promise<void>;
  /** As its kubelet learns from the engine. */
  sayHandlers(name: string, handlers: readonly string[]): Promise<void>;
  /** By node and uid. */
  pods(): Pod[];
  stop(): void;
}

export async function simulate(
  lab: KubeLab,
  names: readonly string[],
  containersOf: (name: string) => Containers,
  { renewMs }: { renewMs: number },
): Promise<Simulation> {
  const { client, port, ca } = await lab.reach();
  // With connections of its own: a thousand pods that begin at once are no reason to be late.
  const leases = apiClient({ port, ca, token: lab.adminToken });
  await inTurns(names, (name) => register(client, name));
  const kubelets = new Map(names.map((name) => [name, simulatedKubelet(client, name, containersOf(name))]));
  const of = (name: string) => kubelets.get(name)!;
  const pods = new Map<string, Pod>();
  const ready = new Map<string, boolean>();
  const stopPods = client.watch('/api/v1/pods', (event) => {
    const pod = event.object as Pod;
    if (event.type === 'DELETED') pods.delete(pod.metadata.uid);
    else pods.set(pod.metadata.uid, pod);
    kubelets.get(pod.spec.nodeName ?? '')?.hear(event);
  });
  const cutOff = new Set<string>();
  const lost = new Set<string>();
  const stopNodes = client.watch('/api/v1/nodes', ({ object }) => {
    const { name } = object.metadata;
    const isReady = isReadyBy(object as Pod);
    if (ready.get(name) === true && !isReady && !lost.has(name)) console.error(`node ${name} is lost: this machine is too busy`);
    ready.set(name, isReady);
  });
  const ended = new AbortController();
  void keepLeases(leases, () => names.filter((name) => !cutOff.has(name)), renewMs, ended.signal);
  const until = async (all: readonly string[], isReady: boolean) => {
    for (const deadline = Date.now() + 300_000; all.some((name) => ready.get(name) !== isReady); await pause(100))
      if (Date.now() > deadline) throw new Error(`not all nodes become ${isReady ? '' : 'un'}ready: ${all.join(' ')}`);
  };
  await until(names, true);
  return {
    loseReadiness: async (losses) => {
      for (const [name, how] of losses) {
        lost.add(name);
        of(name).leave();
        if (how === 'cut off') cutOff.add(name);
        else {
          await sayReady(client, name, false);
          await of(name).sayUnready();
        }
      }
      await until([...losses.keys()], false);
    },
    comeBack: async (back, podsFirst = new Set()) => {
      for (const name of back) cutOff.delete(name);
      await inTurns(back, async (name) => {
        if (podsFirst.has(name)) await startsNext(of(name));
        await sayReady(client, name, true);
        if (!podsFirst.has(name)) of(name).comeBack();
      });
      await until(back, true);
      for (const name of back) lost.delete(name);
    },
    sayHandlers: (name, handlers) => sayHandlers(client, name, handlers),
    pods: () => [...pods.values()],
    stop: () => {
      ended.abort();
      leases.close();
      stopPods();
      stopNodes();
      for (const kubelet of kubelets.values()) kubelet.stop();
    },
  };
}

async function startsNext(kubelet: Kubelet): Promise<void> {
  const before = kubelet.started();
  kubelet.comeBack();
  for (const deadline = Date.now() + 300_000; kubelet.started() === before; await pause(20))
    if (Date.now() > deadline) throw new Error('no next pod comes to a node that is back');
}

/** A server that is away for a moment finds them again: the next round renews all. */
async function keepLeases(client: Client, names: () => string[], renewMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const next = pause(renewMs, undefined, { signal }).catch(() => undefined);
    await inTurns(names(), (name) => renewLease(client, name).catch(() => undefined));
    await next;
  }
}

/** Some at a time: what waits for a connection does not count as an answer that is late. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<unknown>, atOnce = 24): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: Math.min(atOnce, items.length) }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
