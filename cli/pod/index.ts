import { bootGuests, chosenHandlers, type GuestBoot } from '../guest/index.ts';
import type { Generation } from '../store/index.ts';
import { noNetwork, podFailed, podOfDrift } from './findings.ts';
import { provePod } from './prove.ts';
import { type Readiness, readinessOf } from './ready.ts';
import { removeForgotten } from './removing.ts';
import type { PodProof, PodSession } from './types.ts';

export { thrown } from './findings.ts';
export { readinessOf } from './ready.ts';
export { removeLeftPods } from './removing.ts';
export { isRun } from './sandbox.ts';
export type { PodProof, PodRequest, PodSession } from './types.ts';
export { watchPod } from './watcher.ts';
export { watchVariable } from './watcherUnit.ts';

/**
 * Has the engine start a pod of each handler, one after the other, and removes it. Without a network for pods the guests are booted instead.
 *
 * @param changed true where files of the generation differ from what was installed: then nothing is started
 * Throws `handler-unknown`, `interrupted`.
 */
export async function provePods(
  session: PodSession,
  generation: Generation,
  changed: boolean,
): Promise<{ pods: PodProof[]; guests?: GuestBoot[] }> {
  const { host, engine, instance, request } = session;
  const { manifest } = generation;
  const handlers = chosenHandlers(manifest.handlers, request.handlers);
  if (changed) return { pods: handlers.map(({ name }) => ({ handler: name, ok: false, findings: [podOfDrift(name)] })) };
  let ready: Readiness;
  try {
    ready = await readinessOf(host, engine, instance);
  } catch (error) {
    if (session.signal.aborted) throw error;
    return {
      pods: handlers.map(({ name }) => ({
        handler: name,
        ok: false,
        findings: [podFailed(name, instance, error, 'no pod was asked for')],
      })),
    };
  }
  const { networkMissing, image, imageMissing } = ready;
  if (networkMissing !== undefined) return guestsInstead(session, generation, networkMissing);
  if (image === undefined) return { pods: handlers.map(({ name }) => ({ handler: name, ok: false, findings: [imageMissing!] })) };
  await removeForgotten(host, instance.socket);
  const pods: PodProof[] = [];
  for (const handler of handlers) pods.push(await provePod(session, { generation: manifest.number, handler, image }));
  return { pods };
}

async function guestsInstead(
  { host, instance, request, emit, signal }: PodSession,
  generation: Generation,
  why: string,
): Promise<{ pods: PodProof[]; guests: GuestBoot[] }> {
  const guestRequest = { handlers: request.handlers, tcg: false, timeoutSeconds: request.timeoutSeconds };
  const guests = await bootGuests(host, generation, guestRequest, { changed: false, emit, signal });
  return { pods: guests.map(({ handler }) => ({ handler, ok: false, findings: [noNetwork(handler, instance, why)] })), guests };
}
