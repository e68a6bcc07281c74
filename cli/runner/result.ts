import { errnoOf, type Finding, KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { PodProof } from '../pod/index.ts';
import { namesOf } from '../store/index.ts';
import type { Outcome } from '../transaction/index.ts';
import type { Ended } from './systemJournal.ts';
import type { ChangeResult, OperationPlan } from './types.ts';

/** What a change says of itself, but for what only some verbs say. */
export function receipt(
  host: HostView,
  started: Date,
  { verb, from, to, plan }: OperationPlan,
  outcome: Outcome | undefined,
  pods: PodProof[] | undefined,
): ChangeResult {
  return {
    verb,
    changed: outcome !== undefined,
    from,
    to: to?.number,
    release: to?.release,
    handlers: to === undefined ? [] : namesOf(to),
    bytesWritten: plan.bytesWritten,
    savedBytes: 0,
    restarted: outcome?.restarted ?? [],
    seconds: secondsSince(host, started),
    pods,
    findings: [...plan.findings, ...(outcome?.findings ?? []), ...unfinished(outcome)],
  };
}

/** For systemd's journal. */
export function endedWith(host: HostView, id: number, started: Date, { verb, from, to, reason }: OperationPlan, outcome: Outcome): Ended {
  const { error } = outcome;
  const known = error instanceof KataError ? `${error.complaint.found} [${error.code}]` : String(error);
  const why = error === undefined ? reason : known;
  return {
    id,
    verb,
    result: outcome.result,
    from,
    to: to?.number,
    release: to?.release,
    reason: why,
    seconds: secondsSince(host, started),
  };
}

function secondsSince(host: HostView, started: Date): number {
  return Math.max(0, Math.round((host.now().getTime() - started.getTime()) / 100) / 10);
}

function unfinished(outcome: Outcome | undefined): Finding[] {
  if (outcome?.unfinished === undefined) return [];
  const found = `the change is made, but its clean-up failed: ${outcome.unfinished}`;
  return [
    { code: 'journal-open', level: 'warning', subject: 'clean-up', found, needed: 'a finished clean-up', next: 'kata-sysext recover' },
  ];
}

/** The error that the user sees of a change that did not commit. */
export function failure(outcome: Outcome, id: number, verb: string): KataError {
  const cause = outcome.error;
  const known = cause instanceof KataError ? cause : undefined;
  const details = { restarted: outcome.restarted, leftovers: outcome.leftovers, evidence: outcome.evidence.slice(-10) };
  if (outcome.result === 'undone') {
    const code =
      known === undefined ? (errnoOf(cause) === undefined ? 'internal' : 'failed') : known.exitCode === 5 ? 'failed' : known.code;
    return new KataError(code, {
      subject: known?.complaint.subject ?? verb,
      found: `${known?.complaint.found ?? String(cause)}; the host is as it was`,
      needed: known?.complaint.needed ?? 'no fault',
      next: known?.complaint.next ?? `kata-sysext history ${id}`,
      details,
      cause,
    });
  }
  return new KataError('not-restored', {
    subject: verb,
    found: `${known?.complaint.found ?? String(cause)}; and not everything could be put back: ${outcome.leftovers.map((each) => `${each.path}: ${each.found}`).join('; ')}`,
    needed: 'every byte back',
    next: outcome.leftovers.map((each) => each.next).join('; '),
    details,
    cause,
  });
}
