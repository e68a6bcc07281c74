import { codeRow, type Finding, KataError } from '../../errors/index.ts';
import type { GuestBoot, GuestRequest } from '../../guest/index.ts';
import type { Host, HostView } from '../../host/index.ts';
import { type Trials, type Verification, verify } from '../../inspect/verify.ts';
import { planRepair } from '../../operations/recover.ts';
import { bytes, findingLines } from '../../output/index.ts';
import { isRun, type PodRequest, provePods, removeLeftPods, watchPod, watchVariable } from '../../pod/index.ts';
import { runOperation } from '../../runner/run.ts';
import { forHost } from '../advice.ts';
import { podText } from '../answer.ts';
import { list } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

const usualSeconds = 60;
const maxSeconds = 3600;

export async function run({ options, context, io }: Call): Promise<Reply> {
  const { host, emit, signal } = context;
  const watched = io.env[watchVariable];
  if (watched !== undefined && options['pod'] === true) return watch(host, watched, signal);
  const request = trialsOf(options);
  const left = request?.pods === undefined ? undefined : await removeLeftPods(host);
  for (const text of left?.failures ?? []) emit({ kind: 'warning', text });
  const repaired = options['repair'] === true ? await repair(context) : undefined;
  const seen = await verify(host, request === undefined ? undefined : asTrials(request, context));
  return {
    kind: 'Verification',
    body: repaired === undefined ? seen : { ...seen, repaired },
    text: [
      ...repairedText(repaired),
      ...driftText(seen, host),
      ...(seen.pods ?? []).flatMap(podText),
      ...(seen.guests ?? []).flatMap(guestText),
    ],
    exitCode: exitCodeOf(seen),
    made: (repaired ?? []).length > 0,
  };
}

async function repair(context: Call['context']): Promise<string[]> {
  const answer = await runOperation(context, 'verify', planRepair, { dryRun: false, waitSeconds: 0, allow: [] });
  return (answer.kind === 'Change' ? answer.change.relabelled : undefined) ?? [];
}

function repairedText(repaired: string[] | undefined): string[] {
  if (repaired === undefined) return [];
  if (repaired.length === 0) return ['no SELinux label to put back'];
  return [...repaired.map((path) => `✓ ${path}: SELinux label put back`), `SELinux labels put back: ${repaired.length}`];
}

/** In the unit that looks after a pod: see `pod/watcher.ts`. */
async function watch(host: Host, run: string, signal: AbortSignal): Promise<Reply> {
  if (isRun(run)) await watchPod(host, run, signal);
  return { kind: 'Verification', body: {}, text: [], made: true };
}

interface TrialRequest {
  guests?: GuestRequest;
  pods?: PodRequest;
}

function asTrials({ guests, pods: request }: TrialRequest, { host, emit, signal }: Call['context']): Trials {
  const pods: Trials['pods'] = (found, active, changed) => provePods({ ...found, request: request!, host, emit, signal }, active, changed);
  return { emit, signal, guests, pods: request === undefined ? undefined : pods };
}

function driftText({ generation, filesChecked, bytesChecked, labelsChecked, drift }: Verification, host: HostView): string[] {
  const labels = labelsChecked === undefined ? '' : `, ${labelsChecked} labels`;
  const sum = `generation ${generation}: ${filesChecked} files, ${bytes(bytesChecked)}${labels}`;
  if (drift.length === 0) return [`✓ ${sum}, all as installed`];
  const lines = drift.map(({ level, found }) => `${level === 'blocker' ? '✗' : '!'} ${found}`);
  const first = drift.find(({ level }) => level === 'blocker') ?? drift[0]!;
  return [...lines, `${sum}: differing: ${drift.length}. Next: ${forHost(first.next, host)}`];
}

function guestText({ handler, ok, kernel, milliseconds, accelerator, path, findings }: GuestBoot): string[] {
  const how = accelerator === 'tcg' ? 'emulated (TCG), which says nothing about KVM' : 'with KVM';
  const line = `✓ ${handler}: Linux ${kernel} seen after ${milliseconds} ms, then the first program of its guest; ${how}; ${path}`;
  return [...(ok ? [line] : []), ...findingLines(findings)];
}

/** What is wrong with the installation (1) comes before what this host does not allow (3). */
function exitCodeOf({ drift, guests = [], pods = [] }: Verification): number {
  const findings: Finding[] = [...drift, ...[...guests, ...pods].flatMap((trial) => trial.findings)];
  const statuses = findings.filter(({ level }) => level === 'blocker').map(({ code }) => codeRow(code).exit);
  return statuses.length === 0 ? 0 : Math.min(...statuses);
}

function trialsOf(options: Call['options']): TrialRequest | undefined {
  const handlers = list(options['handler']);
  const [guests, pods] = [options['boot-guest'] === true, options['pod'] === true];
  if (guests && pods) throw usage('--pod', '--pod together with --boot-guest', 'one of both: a pod boots its guest anyway');
  if (pods && options['tcg'] === true) throw usage('--tcg', '--tcg with --pod', '--boot-guest: a pod runs as its configuration says');
  if (guests || pods) {
    const timeoutSeconds = seconds(options['timeout']);
    return guests ? { guests: { handlers, tcg: options['tcg'] === true, timeoutSeconds } } : { pods: { handlers, timeoutSeconds } };
  }
  const given = (value: unknown): boolean => value === true || typeof value === 'number' || list(value).length > 0;
  const stray = ['handler', 'tcg', 'timeout'].find((name) => given(options[name]));
  if (stray === undefined) return undefined;
  const needed = stray === 'tcg' ? '--boot-guest, which it belongs to' : '--pod or --boot-guest, which it belongs to';
  throw usage(`--${stray}`, `--${stray} without ${stray === 'tcg' ? '--boot-guest' : '--pod or --boot-guest'}`, needed);
}

function seconds(value: unknown): number {
  const seconds = value === undefined ? usualSeconds : Number(value);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= maxSeconds) return seconds;
  throw usage('--timeout', `--timeout ${String(value)}`, `whole seconds, 1 to ${maxSeconds}`);
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext verify --help' });
}
