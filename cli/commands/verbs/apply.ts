import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { deploymentNow } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { check } from '../../inspect/check.ts';
import { planInstall } from '../../operations/install.ts';
import { planRollback } from '../../operations/switchToExisting.ts';
import { planUninstall } from '../../operations/uninstall.ts';
import type { InstallRequest } from '../../planning/choices/types.ts';
import { findEngines } from '../../preflight/engines.ts';
import {
  type Attempt,
  attemptAt,
  type Decision,
  decide,
  type Ended,
  endedBy,
  forget,
  forgetAll,
  isBundleGone,
  isReady,
  isSameMemory,
  isUnsuitable,
  knownOf,
  type Node,
  type NodeReport,
  type NodeRequest,
  readAway,
  readMemory,
  readReport,
  readRequest,
  reasonOf,
  recall,
  remember,
  rememberAway,
  reportLine,
  requestDigest,
  returnOf,
  writeMetrics,
  writeReport,
} from '../../requests/index.ts';
import { runOperation } from '../../runner/run.ts';
import type { Answer, Planner } from '../../runner/types.ts';
import { activeGeneration, namesOf, readGenerations } from '../../store/index.ts';
import { asWritten } from '../parsing/artefacts.ts';
import { changeOptionsOf, list } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';
import { installRequest } from './changing.ts';

/** Makes the node as a request says, remembers how that ended, and writes the report. */
export async function run(call: Call): Promise<Reply> {
  const { context, words, io, options } = call;
  const { host } = context;
  const path = resolve(io.cwd, words[0]!);
  const request = await readRequest(path);
  const digest = requestDigest(request);
  const asked = installCall(call, request);
  const returned = await returnTime(host, timeOf(options['ready-since']));
  // A request that lay here before the node went away had its turn.
  const awayUntil = returned !== undefined && (await stat(path)).mtime > new Date(returned) ? returned : undefined;
  const node = { ...(await nodeNow(host, request)), awayUntil };
  const attempts = await readMemory(host);
  const decision = decide(request, digest, attempts, node);
  const dry = options['dry-run'] === true;
  const before = attemptAt(attempts, digest);
  const began: Attempt = {
    request: digest,
    retry: request.retry ?? 0,
    outcome: 'began',
    engine: node.engine,
    system: node.system,
    restarts: before?.retry === (request.retry ?? 0) ? before.restarts : 0,
    interrupted: before?.outcome === 'began' ? (before.interrupted ?? 0) + 1 : undefined,
    generation: before?.generation,
  };
  // What is wrong with the words themselves is no failure of the request. No registry is asked: a node that has the request needs none.
  if (asked.words.length > 0) await installRequest(asked, asWritten);
  else changeOptionsOf(asked);
  if (!dry && request.mode !== 'uninstall' && returned !== undefined) await rememberAway(host, returned);
  const ended = dry ? await tried(asked, request, decision) : await acted(asked, request, decision, began, attempts);
  const said = await reportOf(host, request, began, ended);
  const report = dry ? said : await writeReport(host, said);
  const fault = dry || request.metrics === undefined ? undefined : await writeMetrics(host, request.metrics, report);
  if (fault !== undefined) context.emit({ kind: 'warning', text: fault });
  return { kind: 'NodeReport', body: report, text: lines(report), exitCode: report.ready ? 0 : (ended.exitCode ?? 1) };
}

/** The command line that asks for the same. */
function installCall(call: Call, request: NodeRequest): Call {
  const { bundles = [], mirror, handlers, aliases, settings, profiles, backend, format, engines, allow } = request;
  const digests = bundles.flatMap((bundle) => bundle.digest ?? []);
  const options = { digest: digests, from: mirror, handler: handlers, alias: aliases, set: settings, profile: profiles };
  const { cache, 'registry-auth': registryAuth = request.registryAuth, 'ca-file': caFile = request.caFile, wait, engine } = call.options;
  // Whether a host is fit is asked here: to an install such a finding is a warning.
  const all = [...(allow ?? []), ...list(call.options['allow'])];
  const [fitness, checks] = [all.filter(isUnsuitable), all.filter((code) => !isUnsuitable(code))];
  return {
    ...call,
    words: bundles.map(({ from }) => from),
    options: {
      ...options,
      backend,
      format,
      engine: engines ?? engine,
      allow: checks,
      'allow-unfit': fitness,
      wait,
      cache,
      'registry-auth': registryAuth,
      'ca-file': caFile,
    },
  };
}

async function nodeNow(host: HostView, { engines }: NodeRequest): Promise<Node> {
  const active = await activeGeneration(host);
  const found = await findEngines(host, engines, active?.record.wiring).catch((error: unknown) => {
    if (error instanceof KataError) return [];
    throw error;
  });
  const { deployment } = await deploymentNow(host);
  return {
    engine: found.map(({ engine, instance }) => `${engine.name} ${instance.version ?? ''}`.trim()).join(', ') || 'none',
    system: deployment,
    active: active?.manifest.number,
    generations: (await readGenerations(host)).map(({ manifest }) => manifest.number),
  };
}

async function returnTime(host: HostView, readySince: Date | undefined): Promise<string | undefined> {
  const reportedAt = (await readReport(host).catch(() => undefined))?.report.at;
  return returnOf({ readySince, reportedAt, remembered: await readAway(host) }, host.now());
}

/** Throws `usage`. */
function timeOf(value: unknown): Date | undefined {
  if (value === undefined) return undefined;
  const time = new Date(String(value));
  if (!Number.isNaN(time.getTime())) return time;
  throw new KataError('usage', {
    subject: '--ready-since',
    found: `--ready-since ${String(value)} is no time`,
    needed: 'a time as 2026-11-30T12:00:00Z',
    next: 'kata-sysext apply --help',
  });
}

/** What a run came to; of an observation also its plan. */
type Result = Ended & { plan?: Extract<Answer, { kind: 'Plan' }>['plan'] };

/** The same without any change: of an install its plan. */
async function tried(call: Call, request: NodeRequest, decision: Decision): Promise<Result> {
  if (decision.act === 'nothing') return decision;
  if (decision.act === 'hold') return { state: 'held', reason: decision.reason };
  if (decision.act === 'observe' || decision.act === 'install') return observed(call, request);
  return {
    state: 'observed',
    reason: decision.act === 'switch' ? `it would switch to generation ${decision.to}` : 'it would be uninstalled',
  };
}

async function acted(call: Call, request: NodeRequest, decision: Decision, began: Attempt, attempts: readonly Attempt[]): Promise<Result> {
  const { context } = call;
  const { host } = context;
  if (decision.act === 'nothing') {
    if (request.mode === 'uninstall') await forgetAll(host);
    return decision;
  }
  if (decision.act === 'hold') {
    await remember(host, { ...began, outcome: 'held', reason: decision.reason });
    return { state: 'held', reason: decision.reason };
  }
  if (decision.act === 'observe') return observed(call, request);
  const misfit = decision.act === 'uninstall' ? undefined : await unsuitableFor(call, request);
  if (misfit !== undefined) return misfit;
  try {
    const answer = await changed(call, decision, began, attempts);
    const restarts = answer.kind === 'Change' ? answer.change.restarted.length : 0;
    const generation = answer.kind === 'Change' ? answer.change.to : undefined;
    // What is left of it where another deployment keeps its payload: the node is done with this request.
    if (decision.act === 'uninstall') await forget(host, began.request);
    else await remember(host, { ...began, outcome: 'done', restarts: began.restarts + restarts, generation });
    return { state: 'done', reason: decision.act === 'uninstall' ? 'Kata was uninstalled' : 'the node has what is requested', restarts };
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    const ended = endedBy(error);
    const restarts = began.restarts + (ended.restarts ?? 0);
    if (ended.state === 'failed') await remember(host, { ...began, outcome: 'failed', code: ended.code, reason: ended.reason, restarts });
    // The node goes down: it tries once more, as after a loss of power.
    else if (restarts > began.restarts) await remember(host, { ...began, restarts });
    // Nothing was done, so that what was known still holds.
    else await recall(host, began.request, attempts);
    return ended;
  }
}

async function changed(call: Call, decision: Decision, began: Attempt, attempts: readonly Attempt[]): Promise<Answer> {
  const { context } = call;
  const before = attemptAt(attempts, began.request);
  // Of a node that has all of it nothing is written, not even that it was looked at.
  const noting =
    <R>(planner: Planner<R>): Planner<R> =>
    async (view, request) => {
      // It was decided before the lock was there.
      if (!isSameMemory(await readMemory(context.host), attempts)) throw decidedTooEarly();
      const operation = await planner(view, request);
      if (!operation.idle) await remember(context.host, began);
      return operation;
    };
  const options = changeOptionsOf(call);
  const switchTo = (to: number) => runOperation(context, 'rollback', noting(planRollback), { ...options, to });
  if (decision.act === 'switch') return switchTo(decision.to);
  if (decision.act === 'uninstall') return runOperation(context, 'uninstall', noting(planUninstall), { ...options, purge: true });
  try {
    return await runOperation(context, 'install', noting(planInstall), await wholeRequest(call));
  } catch (error) {
    const active = (await activeGeneration(context.host))?.manifest.number;
    // The node has the request already: what drifted is repaired without the bundle.
    const isHere = before?.outcome === 'done' && before.generation !== undefined && before.generation === active;
    if (!isHere || !isBundleGone(error)) throw error;
    return switchTo(active!);
  }
}

function decidedTooEarly(): KataError {
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
    if (!(error instanceof KataError)) throw error;
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

async function reportOf(host: HostView, { mode }: NodeRequest, began: Attempt, ended: Result): Promise<NodeReport> {
  const active = await activeGeneration(host);
  const { state, code, reason, restarts = 0, plan } = ended;
  return {
    request: began.request,
    mode,
    state,
    ready: isReady(state),
    reason,
    code,
    release: active?.manifest.release,
    generation: active?.manifest.number,
    handlers: active === undefined ? [] : namesOf(active.manifest),
    engine: began.engine,
    system: began.system,
    restarts: began.restarts + restarts,
    wouldRestart: plan?.restarts,
    wouldWriteBytes: plan?.bytesWritten,
    ...knownOf(await readMemory(host)),
    at: host.now().toISOString(),
  };
}

function lines(report: NodeReport): string[] {
  const { release, generation } = report;
  const has = generation === undefined ? 'Kata is not installed' : `Kata ${release}, generation ${generation}`;
  return [reportLine(report), `node: ${has}`];
}
