import { KataError } from '../../errors/index.ts';
import { check } from '../../inspect/check.ts';
import { planInstall } from '../../operations/install.ts';
import { planRollback } from '../../operations/switchToExisting.ts';
import { planUninstall } from '../../operations/uninstall.ts';
import type { InstallRequest } from '../../planning/choices/types.ts';
import {
  type Attempt,
  attemptAt,
  type Decision,
  type Ended,
  endedBy,
  forget,
  forgetAll,
  isBundleGone,
  isOfWords,
  isSameMemory,
  isUnsuitable,
  type NodeRequest,
  readMemory,
  reasonOf,
  recall,
  remember,
} from '../../requests/index.ts';
import { runOperation } from '../../runner/run.ts';
import type { Answer, Planner } from '../../runner/types.ts';
import { activeGeneration } from '../../store/index.ts';
import { changeOptionsOf, list } from '../parsing/options.ts';
import type { Call } from '../types.ts';
import { installRequest } from './changing.ts';

/** What a run came to; of an observation also its plan. */
export type Result = Ended & { plan?: Extract<Answer, { kind: 'Plan' }>['plan'] };

/** The same without any change: of an install its plan. */
export async function tried(call: Call, request: NodeRequest, decision: Decision): Promise<Result> {
  if (decision.act === 'nothing') return decision;
  if (decision.act === 'hold') return { state: 'held', reason: decision.reason };
  if (decision.act === 'observe' || decision.act === 'install') return observed(call, request);
  return {
    state: 'observed',
    reason: decision.act === 'switch' ? `it would switch to generation ${decision.to}` : 'it would be uninstalled',
  };
}

export async function acted(
  call: Call,
  request: NodeRequest,
  decision: Decision,
  began: Attempt,
  attempts: readonly Attempt[],
): Promise<Result | 'decide again'> {
  const { context } = call;
  const { host } = context;
  if (decision.act === 'nothing') {
    if (request.mode === 'uninstall' && decision.state === 'done') await forgetAll(host);
    return decision;
  }
  if (decision.act === 'hold') {
    await remember(host, { ...began, outcome: 'held', reason: decision.reason });
    return { state: 'held', reason: decision.reason };
  }
  if (decision.act === 'observe') return observed(call, request);
  const misfit = decision.act === 'uninstall' ? undefined : await unsuitableFor(call, request);
  if (misfit !== undefined) return misfit;
  const note: Note = { isWritten: false };
  try {
    const answer = await changed(call, decision, began, attempts, note);
    const restarts = answer.kind === 'Change' ? answer.change.restarted.length : 0;
    const generation = answer.kind === 'Change' ? answer.change.to : undefined;
    // What is left of it where another deployment keeps its payload: the node is done with this request.
    if (decision.act === 'uninstall') await forget(host, began.request);
    else await remember(host, { ...began, outcome: 'done', restarts: began.restarts + restarts, generation });
    return { state: 'done', reason: decision.act === 'uninstall' ? 'Kata was uninstalled' : 'the node has what is requested', restarts };
  } catch (error) {
    if (error instanceof DecidedTooEarly) return 'decide again';
    if (!(error instanceof KataError) || (!note.isWritten && isOfWords(error))) throw error;
    const ended = endedBy(error);
    const restarts = began.restarts + (ended.restarts ?? 0);
    if (ended.state === 'failed') await remember(host, { ...began, outcome: 'failed', code: ended.code, reason: ended.reason, restarts });
    // The node goes down: it tries once more, as after a loss of power.
    else if (restarts > began.restarts) await remember(host, { ...began, restarts });
    // Nothing was done, so that what was known still holds.
    else if (note.isWritten) await recall(host, began.request, attempts);
    return ended;
  }
}

/** Whether it is remembered that the request began. */
interface Note {
  isWritten: boolean;
}

async function changed(call: Call, decision: Decision, began: Attempt, attempts: readonly Attempt[], note: Note): Promise<Answer> {
  const { context } = call;
  const before = attemptAt(attempts, began.request);
  // Of a node that has all of it nothing is written, not even that it was looked at.
  const noting =
    <R>(planner: Planner<R>): Planner<R> =>
    async (view, request) => {
      // It was decided before the lock was there.
      if (!note.isWritten && !isSameMemory(await readMemory(context.host), attempts)) throw new DecidedTooEarly();
      const operation = await planner(view, request);
      if (operation.idle) return operation;
      await remember(context.host, began);
      note.isWritten = true;
      return operation;
    };
  const options = changeOptionsOf(call);
  const switchTo = (to: number) => runOperation(context, 'rollback', noting(planRollback), { ...options, to });
  if (decision.act === 'switch') {
    try {
      return await switchTo(decision.to);
    } catch (error) {
      // The request has what it was made of.
      if (!isDamaged(error) || call.words.length === 0) throw error;
    }
  }
  if (decision.act === 'uninstall') return runOperation(context, 'uninstall', noting(planUninstall), { ...options, purge: true });
  try {
    return await runOperation(context, 'install', noting(planInstall), await wholeRequest(call));
  } catch (error) {
    const active = (await activeGeneration(context.host))?.manifest.number;
    // The node has the request already: what drifted is repaired without the bundle.
    const isHere = before?.outcome === 'done' && before.generation !== undefined && before.generation === active;
    if (!isHere || !isBundleGone(error)) throw error;
    return await switchTo(active!).catch((damaged: unknown) => Promise.reject(isDamaged(damaged) ? error : damaged));
  }
}

function isDamaged(error: unknown): boolean {
  return error instanceof KataError && error.code === 'payload-damaged';
}

class DecidedTooEarly extends Error {}

export function decidedTooEarly(): KataError {
  return new KataError('lock-held', {
    subject: 'apply',
    found: 'another run of apply did something while this one waited for the lock',
    needed: 'one run at a time',
    next: 'run the command again',
  });
}

/** A request says all that a node should have: what an earlier one chose and this one leaves out goes. */
async function wholeRequest(call: Call): Promise<InstallRequest> {
  return { ...(await installRequest(call)), exactly: true };
}

async function observed(call: Call, request: NodeRequest): Promise<Result> {
  const misfit = await unsuitableFor(call, request);
  if (misfit !== undefined) return misfit;
  if (call.words.length === 0) return { state: 'observed', reason: 'the host fits' };
  try {
    const answer = await runOperation(call.context, 'install', planInstall, { ...(await wholeRequest(call)), dryRun: true });
    if (answer.kind !== 'Plan') throw new Error('a dry run gives a plan');
    const { plan } = answer;
    const restarts = plan.restarts.length === 0 ? 'nothing' : plan.restarts.join(', ');
    return { state: 'observed', reason: `the host fits; an install restarts ${restarts}`, plan };
  } catch (error) {
    // As an install does: such a request says nothing of the node, and no node should be called ready for it.
    if (!(error instanceof KataError) || isOfWords(error)) throw error;
    return { ...endedBy(error), state: 'observed', restarts: 0 };
  }
}

/** What the host itself has against Kata, unless the request allows it. */
async function unsuitableFor({ context, options }: Call, { handlers }: NodeRequest): Promise<Result | undefined> {
  const { findings } = await check(context.host, {
    handlers: handlers ?? [],
    program: { program: context.program, programFile: context.programFile },
    backend: typeof options['backend'] === 'string' ? options['backend'] : undefined,
    engines: Array.isArray(options['engine']) ? options['engine'] : undefined,
    format: undefined,
    bundle: undefined,
  });
  const finding = findings.find(({ code }) => isUnsuitable(code) && !list(options['allow-unfit']).includes(code));
  return finding === undefined ? undefined : { state: 'unsuitable', code: finding.code, reason: reasonOf(finding) };
}
