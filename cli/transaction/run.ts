import type { Step } from '../backends/stepKinds.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { Host, HostView } from '../host/index.ts';
import type { Emit } from '../output/events.ts';
import type { Leftover, RestartStep } from '../steps/types.ts';
import { restartedBy } from '../steps/units.ts';
import {
  activeNumber,
  dropGeneration,
  dropHistory,
  dropPayload,
  findGeneration,
  gcStaging,
  type HistoryEntry,
  pointedElsewhere,
  readManifests,
  wiringsWith,
  writeHistory,
  writeRecord,
} from '../store/index.ts';
import { changeMarkerElsewhere, mark, unmark } from './changeMarker.ts';
import {
  begin,
  commit,
  dropReservedSpace,
  endEntry,
  entryFolder,
  handOver,
  openEntries,
  retractCommit,
  undoStore,
  writeStep,
} from './journal.ts';
import { describe, kindOf } from './stepKinds.ts';
import type { Intent, Outcome } from './types.ts';
import { undo } from './undo.ts';

export interface Gate {
  /** Runs before an engine is restarted: its own binary on the real files. Throws when it is not as planned. */
  beforeRestart(step?: RestartStep): Promise<void>;
  /** Runs after the last step. Throws KataError `gate-failed` when the result is not proven. */
  afterSteps(): Promise<void>;
  /** What a failed change leaves in the history: unit states, log lines. Taken before anything is undone. */
  evidence(): Promise<string[]>;
}

/**
 * Does the steps in order, each journalled before it is applied, asks the gate, and commits with one synced rename. Whatever fails before
 * that rename is undone; what fails after it is finished by the next run. Never throws for a failure of the change itself.
 */
export async function runTransaction(host: Host, intent: Intent, gate: Gate, emit: Emit, signal: AbortSignal): Promise<Outcome> {
  const restarted: string[] = [];
  const findings: Finding[] = [];
  try {
    await host.failpoint('journal/begin/before');
    await begin(host, intent);
    await host.failpoint('journal/begin/after');
    for (const [index, step] of intent.steps.entries()) {
      stopIfAsked(signal);
      if (step.kind === 'restart') await gate.beforeRestart(step);
      const said = { name: step.kind, detail: describe(step) };
      const [number, total] = [index + 1, intent.steps.length];
      emit(step.kind === 'restart' ? { kind: 'phase', ...said } : { kind: 'step', ...said, number, total });
      await takeStep(host, intent, index, step, (finding) => findings.push(finding));
      if (step.kind === 'restart') restarted.push(...restartedBy(step));
    }
    stopIfAsked(signal);
    await gate.afterSteps();
    stopIfAsked(signal);
    await host.failpoint('commit/before');
    await commit(host, intent.id, host.now());
  } catch (error) {
    return putBack(host, intent, gate, emit, error, restarted);
  }
  const outcome: Outcome = { result: 'done', restarted, leftovers: [], evidence: [], findings };
  try {
    await host.failpoint('commit/after');
    await note(host, intent, outcome);
    await host.failpoint('history/after');
    await cleanUp(host, intent);
    return outcome;
  } catch (error) {
    // It has happened: what is left to do is in the journal, and the next change does it first.
    emit({ kind: 'warning', text: `the clean-up after the ${intent.verb} is not finished: ${String(error)}` });
    return { ...outcome, unfinished: messageOf(error) };
  }
}

async function takeStep(host: Host, intent: Intent, index: number, step: Step, report: (finding: Finding) => void): Promise<void> {
  const kind = kindOf(step);
  const store = undoStore(host, intent.id, index);
  await host.failpoint(`step/${step.kind}/before`);
  const found = await kind.prepare(host, step, store);
  if ((step.kind === 'file' || step.kind === 'pointer') && (await kind.look(host, step, found)) !== 'before') {
    throw new KataError('edited-meanwhile', {
      subject: step.path,
      found: `${step.path} changed since the plan was made`,
      needed: `the content it had then (${step.before})`,
      next: 'run the command again',
    });
  }
  await writeStep(host, intent.id, index, found);
  await host.failpoint(`step/${step.kind}/journalled`);
  await kind.apply(host, step, found, store, report);
  await host.failpoint(`step/${step.kind}/after`);
}

async function putBack(host: Host, intent: Intent, gate: Gate, emit: Emit, error: unknown, restarted: string[]): Promise<Outcome> {
  emit({ kind: 'phase', name: 'undo', detail: 'putting the host back' });
  try {
    await retractCommit(host, intent.id);
  } catch (why) {
    const found = `the commit record is still present and cannot be removed: ${String(why)}`;
    return {
      result: 'not-restored',
      error,
      restarted,
      leftovers: [{ path: entryFolder(intent.id), found, next: 'kata-sysext recover', retry: true }],
      evidence: [],
    };
  }
  const evidence = await gate.evidence().catch((why: unknown) => [`no evidence: ${String(why)}`]);
  await dropReservedSpace(host, intent.id).catch(() => undefined);
  const undone = await undo(host, intent).catch((why: unknown) => ({ restarted: [], leftovers: [notUndone(intent, why)] }));
  const outcome: Outcome = {
    result: undone.leftovers.length === 0 ? 'undone' : 'not-restored',
    error,
    restarted: [...restarted, ...undone.restarted],
    leftovers: undone.leftovers,
    evidence,
  };
  await closeUndone(host, intent, outcome);
  return outcome;
}

/** The journal itself cannot be read: nothing more is put back, and a later recover begins where this ended. */
function notUndone({ id }: Intent, why: unknown): Leftover {
  const next = why instanceof KataError ? why.complaint.next : 'kata-sysext recover';
  return { path: entryFolder(id), found: `the change could not be undone: ${messageOf(why)}`, next, retry: true };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * After an undo: writes the history, and removes the generation that the change made and the journal entry. Both stay if a retry can help or
 * another deployment needs the entry.
 */
export async function closeUndone(host: Host, intent: Intent, outcome: Outcome): Promise<void> {
  if (!canRetry(outcome)) await unmark(host, intent.id).catch((why: unknown) => stillMarked(intent, outcome, why));
  // A full disk has room for the history only after the rest is removed.
  const noted = await note(host, intent, outcome).then(
    () => true,
    () => false,
  );
  await host.failpoint('undo/noted');
  if (canRetry(outcome)) return;
  const next = await changeMarkerElsewhere(host, intent);
  if (next !== undefined) return handOver(host, intent, next);
  if (intent.made && intent.to !== undefined) await dropGeneration(host, intent.to);
  await host.failpoint('undo/dropped');
  await endEntry(host, intent.id);
  // A generation of a change that is still open, of another deployment, must not look like rubbish.
  if ((await openEntries(host)).length === 0) await gcStaging(host);
  if (!noted) await note(host, intent, outcome).catch(() => undefined);
}

function canRetry({ leftovers }: Outcome): boolean {
  return leftovers.some(({ retry }) => retry);
}

/** The mark is in /etc itself, not in a folder of kata-sysext: with the mark the host is not as it was. */
function stillMarked({ id }: Intent, outcome: Outcome, why: unknown): void {
  outcome.result = 'not-restored';
  const found = `all of change ${id} is undone, but its mark cannot be removed: ${String(why)}`;
  outcome.leftovers.push({ path: mark, found, next: 'kata-sysext recover', retry: true });
}

async function note(host: Host, intent: Intent, outcome: Outcome): Promise<void> {
  if (intent.afterwards.purge && outcome.result === 'done') return;
  const error = outcome.error instanceof KataError ? outcome.error : undefined;
  await writeHistory(host, {
    ...historyOf(intent),
    result: outcome.result,
    restarted: outcome.restarted,
    seconds: Math.max(0, Math.round((host.now().getTime() - Date.parse(intent.started)) / 100) / 10),
    error:
      outcome.error === undefined
        ? undefined
        : {
            code: error?.code ?? 'internal',
            found: error?.complaint.found ?? String(outcome.error),
            next: error?.complaint.next ?? '',
          },
    evidence: outcome.evidence,
    leftovers: outcome.leftovers.map(({ path, found, next }) => ({ path, found, next })),
  });
}

function stopIfAsked(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new KataError('interrupted', { found: 'the change was interrupted', needed: 'time to finish', next: 'run the command again' });
}

/** The part of a change's history entry that its intent alone tells. */
export function historyOf({
  schema,
  id,
  verb,
  started,
  from,
  to,
  reason,
  cause,
  user,
}: Intent): Pick<HistoryEntry, 'schema' | 'id' | 'verb' | 'at' | 'from' | 'to' | 'reason' | 'cause' | 'user'> {
  return {
    schema,
    id,
    verb,
    at: started,
    cause,
    from,
    to,
    reason,
    user,
  };
}

/** The numbers of the generations that a pointer names, in this /etc or in that of another deployment. */
async function pointedAt(host: HostView): Promise<Set<number>> {
  const [here, elsewhere] = [await activeNumber(host), await pointedElsewhere(host)];
  return here === undefined ? elsewhere : elsewhere.add(here);
}

/** What is left to do once the commit record is on the disk. Safe to repeat. */
export async function cleanUp(host: Host, intent: Intent): Promise<void> {
  const { records, dropGenerations, dropPayloads, purge } = intent.afterwards;
  for (const { number, ...said } of records) {
    // What the change does not say stays as it was. In memory that may be undefined, in the journal it is not there.
    const change = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as typeof said;
    const generation = await findGeneration(host, number);
    if (generation !== undefined) {
      const record = { ...generation.record, ...change };
      const wired = change.wiring !== undefined || change.edited !== undefined;
      await writeRecord(host, number, { ...record, ...(wired ? wiringsWith(record, intent.deployment) : {}) });
    }
    await host.failpoint('afterwards/record');
  }
  // Another deployment may have made one of them active since this was planned.
  const used = dropGenerations.length === 0 ? new Set<number>() : await pointedAt(host);
  for (const number of dropGenerations.filter((each) => !used.has(each))) {
    await dropGeneration(host, number);
    await host.failpoint('afterwards/generation');
  }
  const named = dropPayloads.length === 0 ? [] : (await readManifests(host)).map(({ payload }) => payload);
  for (const digest of dropPayloads.filter((each) => !named.includes(each))) {
    await dropPayload(host, digest);
    await host.failpoint('afterwards/payload');
  }
  for (const step of intent.steps) {
    const { afterCommit } = kindOf(step);
    if (afterCommit === undefined) continue;
    await afterCommit(host, step);
    await host.failpoint(`afterwards/${step.kind}`);
  }
  if (purge) await dropHistory(host);
  await host.failpoint('afterwards/history');
  await endEntry(host, intent.id);
  await host.failpoint('afterwards/journal');
}
