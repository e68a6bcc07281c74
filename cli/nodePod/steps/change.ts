import { literal, looseObject } from 'valibot';
import { parseJson } from '../../documents/index.ts';
import { misfitOf, text } from '../../documents/shapes.ts';
import { KataError } from '../../errors/index.ts';
import type { Host } from '../../host/index.ts';
import { fleetMessage, isReport, type NodeReport, readReport, reportLine } from '../../requests/index.ts';
import { readText } from '../../runner/unitFollower.ts';
import { generationsFolder } from '../../store/paths.ts';
import { connectSystemd } from '../../systemd/index.ts';
import { busFails, podUnfit, unitFails } from '../complaints.ts';
import { clearAway, dropOutput } from '../files.ts';
import { readySince } from '../readySince.ts';
import { type PodRequest, podRequest } from '../request.ts';
import { leaveMessage } from '../terminationMessage.ts';
import type { StepCall, StepReply } from '../types.ts';
import { refuseUnstarted, requestUnit, runRequest } from '../unit.ts';

/** How the step reaches the node; specs name others. */
export interface Ways {
  connect: typeof connectSystemd;
  pollMs?: number;
}

/**
 * Has the node do the request of the pod's environment, and says what came of it. It succeeds whatever that is, as long as the node has a
 * report and does not wait: whether the node is ready is the other container's to say.
 */
export async function change(call: StepCall, { connect, pollMs }: Ways = { connect: connectSystemd }): Promise<StepReply> {
  const { context, io } = call;
  const { host, emit, signal, programFile } = context;
  const asked = podRequest(io.env);
  if (await isGone(host, asked)) return left(host, await reportFor(host, asked, 'the node'), asked);
  const uid = process.getuid?.();
  if (host.root === '/' && uid !== 0)
    throw podUnfit({ subject: 'change', found: `the container runs as uid ${uid}`, needed: 'uid 0: runAsUser: 0' });
  if (programFile === undefined) {
    throw podUnfit({
      subject: process.execPath,
      found: 'this is not the program as one file, so it cannot be put on the node',
      needed: 'the single file, as the image has it',
    });
  }
  // Nothing of the pod's environment says where the bus is.
  const systemd = await connect({});
  if (systemd === undefined) throw busFails('no systemd answers over the message bus of the node');
  const run = requestUnit(asked.digest, { text: asked.text, program: programFile, readySince: await readySince(host) });
  let report: NodeReport | undefined;
  try {
    const line = (words: string) => io.stderr.write(`${words}\n`);
    const status = await runRequest(run, { host, systemd, emit, signal, line, pollMs });
    refuseUnstarted(run.unit, status);
    const said = await readText(await host.locate(run.files.out)).catch(() => undefined);
    await dropOutput(host, run.files);
    report = answered(run.unit, said, asked);
  } finally {
    systemd.close();
  }
  if (report === undefined || (await readReport(host)) === undefined) report = await reportFor(host, asked, run.unit);
  if (report.mode === 'uninstall' && report.state === 'done') await clearAway(host);
  return left(host, report, asked);
}

/** A node without Kata that has reported so needs neither the program nor a unit to say it again. */
async function isGone(host: Host, { request, digest }: PodRequest): Promise<boolean> {
  if (request.mode !== 'uninstall' || (await host.readdir(generationsFolder)).length > 0) return false;
  const report = (await readReport(host).catch(() => undefined))?.report;
  return report?.request === digest && report.state === 'done';
}

/** The report that lies on the node. What the pod mounts in its place would hide it from the other container as well. */
async function reportFor(host: Host, { digest }: PodRequest, unit: string): Promise<NodeReport> {
  const report = (await readReport(host))?.report;
  if (report?.request === digest) return report;
  const found = report === undefined ? 'there is no report in /etc/kata-sysext' : 'the report in /etc/kata-sysext is on another request';
  throw unitFails(unit, found, 'the folder of the node, mounted by the pod: hostPath /etc/kata-sysext');
}

const errorShape = looseObject({ kind: literal('Error'), code: text, found: text });
const maxAnswerBytes = 1024 * 1024;

/**
 * What the unit answered, which is the report of this very run: by now the one that lies on the node may be of a newer request. undefined
 * where another pod took the answer. An error is no report, and an earlier report of the same request would hide it.
 */
function answered(unit: string, said: string | undefined, { digest }: PodRequest): NodeReport | undefined {
  if (said === undefined) return undefined;
  const answer = parsed(said);
  if (isReport(answer) && answer.request === digest) return answer;
  const isError = misfitOf(errorShape, answer) === undefined;
  const { code, found } = isError
    ? (answer as { code: string; found: string })
    : { code: 'no answer', found: 'the program ended without a report' };
  throw unitFails(unit, `${found} [${code}]`, 'a report');
}

function parsed(said: string): unknown {
  try {
    return parseJson(said, { maxBytes: maxAnswerBytes });
  } catch (error) {
    if (error instanceof KataError) return undefined;
    throw error;
  }
}

/** The status of the pod has the report as well, for `status --fleet`. */
async function left(host: Host, report: NodeReport, asked: PodRequest): Promise<StepReply> {
  await leaveMessage(host, fleetMessage(report));
  return replyOf(report, asked);
}

function replyOf(report: NodeReport, { restrained }: PodRequest): StepReply {
  const more = restrained
    ? [
        'observed only: this DaemonSet is new, and all its pods started at once. Its next template is rolled out in waves: kubectl rollout restart',
      ]
    : [];
  // Nothing was changed, and what is in the way passes: the kubelet runs a container that failed again, with growing pauses.
  const exitCode = report.state === 'waiting' ? 1 : 0;
  return { kind: 'NodeReport', body: report, text: [reportLine(report), ...more], exitCode };
}
