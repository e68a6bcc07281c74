import type { Host, HostView } from '../host/index.ts';
import { restartedBy } from '../steps/units.ts';
import { gcStaging, writeHistory } from '../store/index.ts';
import { hasChangeMarker, unmark } from './changeMarker.ts';
import {
  dropReservedSpace,
  endEntry,
  foreignEntry,
  isCommitted,
  openEntries,
  ownerOf,
  type Place,
  readIntent,
  readStep,
  refuseIncomplete,
} from './journal.ts';
import { cleanUp, closeUndone, historyOf } from './run.ts';
import type { Intent, Outcome } from './types.ts';
import { undo } from './undo.ts';

export interface Recovered {
  id: number;
  verb: string;
  /** 'finished': it had committed. 'undone': it had not. */
  result: 'finished' | 'undone' | 'not-restored';
  outcome?: Outcome;
}

/**
 * Recovers every open change of this deployment, and one of another deployment if this /etc was made from its half-changed /etc. A change
 * without a commit record is undone; for one with a record the clean-up is finished. Then removes what interrupted work left in the folders
 * of kata-sysext. Safe to repeat and to interrupt. Call it with the lock held.
 */
export async function recover(host: Host, here: Place): Promise<Recovered[]> {
  const recovered: Recovered[] = [];
  for (const id of await openEntries(host)) {
    const intent = await readIntent(host, id);
    if (intent === undefined) {
      await refuseIncomplete(host, id, undefined);
      // Nothing was journalled, so nothing was done.
      await endEntry(host, id);
      continue;
    }
    const owner = await ownerOf(host, intent, here);
    if (owner === 'stranger') throw foreignEntry(intent, here);
    const travelled = await hasChangeMarker(host, intent);
    if (owner === 'parked' && !travelled) continue;
    await host.failpoint('recover/entry');
    if (await isCommitted(host, id)) recovered.push(await finish(host, intent));
    else recovered.push(owner === 'orphan' && !travelled ? await abandon(host, intent) : await takeBack(host, intent));
  }
  // A generation of a change that is still open must not look like rubbish.
  if ((await openEntries(host)).length === 0) {
    await unmark(host);
    await gcStaging(host);
  }
  return recovered;
}

async function finish(host: Host, intent: Intent): Promise<Recovered> {
  if (!intent.afterwards.purge) {
    await writeHistory(host, {
      ...historyOf(intent),
      result: 'done',
      restarted: intent.steps.flatMap((step) => (step.kind === 'restart' ? restartedBy(step) : [])),
      seconds: 0,
      evidence: ['interrupted after its commit; finished by recover'],
      leftovers: [],
    });
  }
  await cleanUp(host, intent);
  return { id: intent.id, verb: intent.verb, result: 'finished' };
}

/** The deployment is gone, and with it the /etc that the change edited: nothing is left to put back. */
async function abandon(host: Host, intent: Intent): Promise<Recovered> {
  const outcome: Outcome = {
    result: 'undone',
    restarted: [],
    leftovers: [],
    evidence: [`interrupted before its commit in deployment ${intent.deployment}, which is gone; dropped by recover`],
  };
  await closeUndone(host, intent, outcome);
  return { id: intent.id, verb: intent.verb, result: outcome.result === 'undone' ? 'undone' : 'not-restored', outcome };
}

/** Open changes that this deployment has to recover. Entries without an intent count. */
export async function openHere(host: HostView, here: Place): Promise<number[]> {
  const found: number[] = [];
  for (const id of await openEntries(host)) {
    const intent = await readIntent(host, id);
    const parked = intent !== undefined && (await ownerOf(host, intent, here)) === 'parked';
    if (!parked || (await hasChangeMarker(host, intent))) found.push(id);
  }
  return found;
}

/** In words, what `recover` would do about an open change of this deployment. Throws what would stop it there. */
export async function plannedRecovery(host: HostView, id: number, here: Place): Promise<string> {
  const intent = await readIntent(host, id);
  if (intent === undefined) {
    await refuseIncomplete(host, id, undefined);
    return `remove the journal of change ${id}, which had done nothing`;
  }
  const change = `change ${id} (${intent.verb}, begun ${intent.started})`;
  const owner = await ownerOf(host, intent, here);
  if (owner === 'stranger') throw foreignEntry(intent, here);
  if (await isCommitted(host, id)) return `finish the clean-up of ${change}`;
  if (owner !== 'orphan' || (await hasChangeMarker(host, intent))) {
    await refuseIncomplete(host, id, intent);
    for (const index of intent.steps.keys()) await readStep(host, id, index);
  }
  return `undo ${change}`;
}

/** Generations that open changes of other deployments name: they are kept until those changes are recovered. Call it after `recover`. */
export async function parkedGenerations(host: HostView): Promise<number[]> {
  const intents = await Promise.all((await openEntries(host)).map((id) => readIntent(host, id)));
  return intents.flatMap((intent) => [intent?.from, intent?.to]).filter((number) => number !== undefined);
}

async function takeBack(host: Host, intent: Intent): Promise<Recovered> {
  await refuseIncomplete(host, intent.id, intent);
  await dropReservedSpace(host, intent.id).catch(() => undefined);
  const undone = await undo(host, intent);
  const outcome: Outcome = {
    result: undone.leftovers.length === 0 ? 'undone' : 'not-restored',
    restarted: undone.restarted,
    leftovers: undone.leftovers,
    evidence: ['interrupted before its commit; undone by recover'],
  };
  await closeUndone(host, intent, outcome);
  return { id: intent.id, verb: intent.verb, result: outcome.result === 'undone' ? 'undone' : 'not-restored', outcome };
}
