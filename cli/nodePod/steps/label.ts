import { setTimeout as pause } from 'node:timers/promises';
import type { ApiServer } from '../../cluster/api.ts';
import { inCluster, missing } from '../../cluster/inCluster.ts';
import { type LabelPlan, nodeState, planLabels } from '../../cluster/labels.ts';
import { nodeName } from '../../cluster/nodeName.ts';
import { KataError } from '../../errors/index.ts';
import { fleetMessage, type NodeReport, oneLine, readReport } from '../../requests/index.ts';
import { reportFile } from '../../store/paths.ts';
import { leaveMessage } from '../terminationMessage.ts';
import type { StepCall, StepReply } from '../types.ts';

/**
 * When the node is asked, in milliseconds after the question before. The kubelet learns of a restarted engine's handlers within 10 s. With
 * the question of the step `ready` and the PATCH these are five requests.
 */
const usualWaits: readonly number[] = [12_000, 48_000];

/** Gives the own node the labels that its report and its kubelet prove, or takes them from it. Throws `node-unproven` and those of the API. */
export async function run(call: StepCall): Promise<StepReply> {
  const { host } = call.context;
  const report = (await readReport(host))?.report;
  if (report === undefined) throw missing(reportFile, 'the report that the step change leaves');
  await leaveMessage(host, fleetMessage(report));
  try {
    const api = await inCluster(host, call.context.signal);
    const text = await label(api, nodeName(host), report, usualWaits, call.context.signal);
    return { kind: 'NodeReport', body: report, text: [text] };
  } catch (error) {
    // The pod does not become ready, and its status should say why.
    if (error instanceof KataError)
      await leaveMessage(host, fleetMessage({ ...report, ready: false, reason: oneLine(error.complaint.found) }));
    throw error;
  }
}

/** Gives what was done, in words. `report` is undefined where the labels have to go. */
export async function label(
  api: ApiServer,
  name: string,
  report: NodeReport | undefined,
  waits: readonly number[] = usualWaits,
  signal?: AbortSignal,
): Promise<string> {
  const path = `/api/v1/nodes/${name}`;
  let plan = await planned(api, path, name, report);
  let asked = 1;
  for (const wait of waits) {
    if (plan.missing.length === 0) break;
    await pause(wait, undefined, { signal });
    plan = await planned(api, path, name, report);
    asked++;
  }
  if (plan.steps.length > 0) {
    try {
      await api.patch(path, 'json', plan.steps);
    } catch (error) {
      if (asked > mostAskedBefore || !isOutdated(error)) throw error;
      plan = await planned(api, path, name, report);
      if (plan.steps.length > 0) await api.patch(path, 'json', plan.steps);
    }
  }
  if (plan.missing.length > 0) throw unproven(name, plan.missing);
  const done = plan.steps.length === 0 ? 'nothing to change' : 'changed';
  return `node ${name}: labels ${plan.proven ? 'say that it runs Kata' : 'do not say that it runs Kata'} (${done})`;
}

/** A second patch needs two more requests. */
const mostAskedBefore = 1;

/** Another program changed the taints in between (409, or 422 where a step of the patch does not fit). */
function isOutdated(error: unknown): boolean {
  return error instanceof KataError && [409, 422].includes(Number(error.complaint.details?.['status']));
}

async function planned(api: ApiServer, path: string, name: string, report: NodeReport | undefined): Promise<LabelPlan> {
  const node = nodeState(await api.get(path));
  if (node?.name === name) return planLabels(report, node);
  throw new KataError('cluster-answer', {
    subject: name,
    found: 'the API server answers with another object than the node',
    needed: `the node ${name}`,
    next: `kubectl get node ${name} -o name`,
  });
}

function unproven(name: string, handlers: string[]): KataError {
  return new KataError('node-unproven', {
    subject: name,
    found: `node ${name} does not list ${handlers.join(', ')} in status.runtimeHandlers after a minute`,
    needed: 'a kubelet that has learned of all handlers from the engine',
    next: `kubectl get node ${name} -o jsonpath='{.status.runtimeHandlers[*].name}'`,
  });
}
