import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { deploymentNow } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { findEngines } from '../../preflight/engines.ts';
import {
  type Attempt,
  attemptAt,
  decide,
  isReady,
  isUnsuitable,
  knownOf,
  type Node,
  type NodeReport,
  type NodeRequest,
  readAway,
  readMemory,
  readReport,
  readRequest,
  rememberAway,
  reportLine,
  requestDigest,
  returnOf,
  settled,
  writeMetrics,
  writeReport,
} from '../../requests/index.ts';
import { activeGeneration, type Generation, isVacant, namesOf, readGenerations } from '../../store/index.ts';
import { asWritten } from '../parsing/artefacts.ts';
import { changeOptionsOf, list } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';
import { acted, decidedTooEarly, type Result, tried } from './applying.ts';
import { installRequest } from './changing.ts';

/** Another run may change what is known while this one waits for the lock; then it is decided again, so often. */
const mostDecisions = 3;

/** Makes the node as a request says, remembers how that ended, and writes the report. */
export function run(call: Call): Promise<Reply> {
  return runOnce(call, mostDecisions);
}

async function runOnce(call: Call, left: number): Promise<Reply> {
  const { context, words, io, options } = call;
  const { host } = context;
  const path = resolve(io.cwd, words[0]!);
  const request = await readRequest(path);
  const digest = requestDigest(request);
  const asked = installCall(call, request);
  const returned = await returnTime(host, timeOf(options['ready-since']));
  // A request that lay here before the node went away had its turn.
  const awayUntil = returned !== undefined && (await stat(path)).mtime > new Date(returned) ? returned : undefined;
  const engines = Array.isArray(asked.options['engine']) ? asked.options['engine'] : undefined;
  const node = { ...(await nodeNow(host, engines)), awayUntil };
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
  if (ended === 'decide again') {
    if (left > 1) return runOnce(call, left - 1);
    throw decidedTooEarly();
  }
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

async function nodeNow(host: HostView, engines: string[] | undefined): Promise<Node> {
  const active = await activeGeneration(host);
  const found = await findEngines(host, engines, active?.record.wiring).catch((error: unknown) => {
    if (error instanceof KataError) return [];
    throw error;
  });
  const { deployment } = await deploymentNow(host);
  const all = await readGenerations(host);
  return {
    engine: found.map(({ engine, instance }) => `${engine.name} ${instance.version ?? ''}`.trim()).join(', ') || 'none',
    system: deployment,
    active: active?.manifest.number,
    generations: all.map(({ manifest }) => manifest.number),
    failed: failedIn(all),
    isVacant: await isVacant(host),
  };
}

function failedIn(all: readonly Generation[]): number[] {
  return all.filter(({ record }) => record.state === 'failed').map(({ manifest }) => manifest.number);
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

async function reportOf(host: HostView, { mode }: NodeRequest, began: Attempt, ended: Result): Promise<NodeReport> {
  const [active, all] = [await activeGeneration(host), await readGenerations(host)];
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
    ...knownOf((await readMemory(host)).map((attempt) => settled(attempt, { failed: failedIn(all) }))),
    at: host.now().toISOString(),
  };
}

function lines(report: NodeReport): string[] {
  const { release, generation } = report;
  const has = generation === undefined ? 'Kata is not installed' : `Kata ${release}, generation ${generation}`;
  return [reportLine(report), `node: ${has}`];
}
