import type { Host } from '../host/index.ts';
import { tidy, writeHistory } from '../store/index.ts';
import { cleanUp } from './afterwards.ts';
import { dropBallast, endEntry, isCommitted, openEntries, readIntent, refuseForeign, refuseIncomplete } from './journal.ts';
import { closeUndone } from './run.ts';
import { storyOf } from './story.ts';
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
 * Settles every open change: before its commit record it is undone, after it only cleaned up. Then removes what interrupted work left in
 * our own folders. Safe to repeat and to interrupt. Call it with the lock held.
 */
export async function recover(host: Host, here: { machine: string; deployment: string }): Promise<Recovered[]> {
  const settled: Recovered[] = [];
  for (const id of await openEntries(host)) {
    const intent = await readIntent(host, id);
    if (intent === undefined) {
      await refuseIncomplete(host, id, undefined);
      // Nothing was journalled, so nothing was done.
      await endEntry(host, id);
      continue;
    }
    refuseForeign(intent, here);
    await host.failpoint('recover/entry');
    settled.push((await isCommitted(host, id)) ? await finish(host, intent) : await takeBack(host, intent));
  }
  // A generation of a change that is still open must not look like rubbish.
  if ((await openEntries(host)).length === 0) await tidy(host);
  return settled;
}

async function finish(host: Host, intent: Intent): Promise<Recovered> {
  if (!intent.afterwards.purge) {
    await writeHistory(host, {
      ...storyOf(intent),
      result: 'done',
      restarted: intent.steps.flatMap((step) => (step.kind === 'restart' ? [step.unit] : [])),
      seconds: 0,
      evidence: ['interrupted after its commit; finished by recover'],
      leftovers: [],
    });
  }
  await cleanUp(host, intent);
  return { id: intent.id, verb: intent.verb, result: 'finished' };
}

async function takeBack(host: Host, intent: Intent): Promise<Recovered> {
  await refuseIncomplete(host, intent.id, intent);
  await dropBallast(host, intent.id).catch(() => undefined);
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
