import { exactOptional } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { count, digest, flag, listOf, misfitOf, moment, oneOf, type Shaped, tableOf, text, textLike } from '../documents/shapes.ts';
import { KataError, pathWord } from '../errors/index.ts';
import type { Host, HostView } from '../host/index.ts';
import { escaped } from '../output/index.ts';
import { ensureFolder, etcFolder, reportFile, stateFolder } from '../store/index.ts';
import type { Attempt } from './memory.ts';

const states = ['observed', 'done', 'unsuitable', 'held', 'waiting', 'failed'] as const;

/** Which other requests the node knows, newest first, each by the first digits of its digest: a fleet finds the last good one with it. */
const shortDigest = textLike('the first 12 digits of a digest', /^[0-9a-f]{12}$/);
const knownShape = { proven: exactOptional(listOf(shortDigest)), failed: exactOptional(listOf(shortDigest)) };

/** What is said of a request wherever a node is spoken of. */
export const saidShape = {
  request: digest,
  mode: oneOf('observe', 'install', 'uninstall'),
  /**
   * observed: what an install would do is known. done: the node is as requested. unsuitable: it cannot have Kata. held: a request failed
   * here before, or the node was away. waiting: nothing was changed, and a later run may succeed. failed: it failed here, and the host is as it was.
   */
  state: oneOf(...states),
  /** Whether a fleet may go on to the next node. */
  ready: flag,
  /** One line. */
  reason: text,
  code: exactOptional(text),
  release: exactOptional(text),
  generation: exactOptional(count),
  /** How often engines were restarted for this request. */
  restarts: count,
  ...knownShape,
};

/** The whole report: schema/nodereport.json. */
export type NodeReport = Shaped<typeof reportShape>;
export const reportShape = tableOf({
  ...saidShape,
  handlers: listOf(text),
  engine: text,
  system: text,
  /** observe: what an install would restart and write. */
  wouldRestart: exactOptional(listOf(text)),
  wouldWriteBytes: exactOptional(count),
  /** Since when the node says this. */
  at: moment,
});

const mostKnown = 10;
const shortDigits = 12;

export function shortened(request: string): string {
  return request.replace(/^sha256:/, '').slice(0, shortDigits);
}

/** What is remembered of requests, for a report. */
export function knownOf(attempts: readonly Attempt[]): Pick<NodeReport, 'proven' | 'failed'> {
  const of = (outcome: Attempt['outcome']) =>
    attempts
      .filter((attempt) => attempt.outcome === outcome)
      .map(({ request }) => shortened(request))
      .reverse()
      .slice(0, mostKnown);
  const [proven, failed] = [of('done'), of('failed')];
  return { ...(proven.length > 0 && { proven }), ...(failed.length > 0 && { failed }) };
}

const readyStates: readonly NodeReport['state'][] = ['observed', 'done', 'unsuitable', 'held'];

export function isReady(state: NodeReport['state']): boolean {
  return readyStates.includes(state);
}

/**
 * Each key on a line of its own, so that a shell without any reader of JSON finds `"ready": true`. Escaped: its reason becomes an event.
 * Gives what is there now: a report that says the same as before keeps its time.
 */
export async function writeReport(host: Host, report: NodeReport): Promise<NodeReport> {
  const whole = { apiVersion: 'kata-sysext/v1', kind: 'NodeReport', ...report, reason: oneLine(report.reason) };
  const written = (at: string) => escaped(`${JSON.stringify({ ...whole, at }, null, 2)}\n`);
  const before = await readReport(host).catch(() => undefined);
  // One that only says the same again would be a write at each run of a fleet tool.
  const isEarlier = before !== undefined && Date.parse(before.report.at) <= Date.parse(report.at);
  if (isEarlier && before.text === written(before.report.at)) return { ...report, at: before.report.at };
  await ensureFolder(host, stateFolder);
  await ensureFolder(host, etcFolder);
  await host.writeFile(reportFile, written(report.at), { mode: 0o644 });
  await host.relabel([reportFile]);
  return report;
}

const maxBytes = 64 * 1024;

/** The report that is there, and its bytes; undefined where there is none. Throws where a file of its name is no report. */
export async function readReport(host: HostView): Promise<{ report: NodeReport; text: string } | undefined> {
  const text = await host.readText(reportFile, 'request');
  if (text === undefined) return undefined;
  const value = parseJson(text, { maxBytes });
  const misfit = misfitOf(reportShape, value);
  if (isReport(value)) return { report: value, text };
  throw new KataError('host-file-unfit', {
    subject: reportFile,
    found: `${reportFile} is no report: ${misfit}`,
    needed: 'a report as kata-sysext apply writes it',
    next: `look at it, and remove it: rm ${pathWord(host, reportFile)}`,
  });
}

/** What people read of a report: its state and the reason. */
export function reportLine({ ready, state, reason, code }: NodeReport): string {
  return `${ready ? '✓' : '✗'} ${state}: ${reason}${code === undefined ? '' : ` [${code}]`}`;
}

export function isReport(value: unknown): value is NodeReport {
  return misfitOf(reportShape, value) === undefined;
}

const maxReason = 500;

export function oneLine(reason: string): string {
  return reason.replace(/\s+/g, ' ').trim().slice(0, maxReason);
}
