import { setTimeout as pause } from 'node:timers/promises';
import type { ApiServer } from '../../cluster/api.ts';
import { inCluster } from '../../cluster/inCluster.ts';
import { listAt, numberAt, tableAt, textAt } from '../../cluster/values.ts';
import { parseJson } from '../../documents/index.ts';
import { KataError } from '../../errors/index.ts';
import { readFleetMessage } from '../../requests/index.ts';
import { podUnfit } from '../complaints.ts';
import type { StepCall, StepReply } from '../types.ts';

/** Where a rollout is, in nodes. */
interface Rollout {
  wanted: number;
  updated: number;
  ready: number;
  /** The controller has seen the template. */
  seen: boolean;
}

const pollMs = 5000;
/** Nodes that are not ready are named this often at most, and so many of them. */
const namingMs = 60_000;
const maxNamed = 20;
/** The pods of the DaemonSets: the hook's own has the chart's name as well. */
const nodePods = 'app.kubernetes.io/name=kata-sysext,app.kubernetes.io/component in (node,canary)';

/**
 * Gives DaemonSets another template, and waits until all their nodes are ready with it: what Helm's hook runs before it deletes them. Gone
 * ones are left out. It waits without a limit of its own, since the Job has one. Throws `node-pod-unfit`, `cluster-refused`, `cluster-answer`.
 */
export async function run(call: StepCall): Promise<StepReply> {
  const { host, signal } = call.context;
  const { namespace, patches } = asked(host.env);
  const api = await inCluster(host, signal);
  await withdraw(api, namespace, patches, { line: (text) => call.io.stderr.write(`${text}\n`), pollMs, signal });
  const text = `done: no node of ${Object.keys(patches).join(', ')} has Kata`;
  return { kind: 'NodeReport', body: {}, text: [text] };
}

/** Of the pod's environment: DaemonSets by name, each with its patch (RFC 7386). */
function asked(env: Readonly<Record<string, string | undefined>>): { namespace: string; patches: Record<string, unknown> } {
  const [namespace = '', text = ''] = [env['KATA_SYSEXT_NAMESPACE'], env['KATA_SYSEXT_PATCHES']];
  const unfit = (subject: string, needed: string) => podUnfit({ subject, found: `${subject} is missing, or is something else`, needed });
  if (!isName(namespace)) throw unfit('KATA_SYSEXT_NAMESPACE', 'the namespace of the node pods');
  let patches: unknown;
  try {
    patches = parseJson(text, { maxBytes: 262_144 });
  } catch {
    // Said below, as of any other text that is no table.
  }
  const names = Object.keys(tableAt(patches) ?? {});
  if (names.length === 0 || !names.every((name) => isName(name) && tableAt(patches, name) !== undefined))
    throw unfit('KATA_SYSEXT_PATCHES', 'a table of DaemonSets, each with its patch');
  return { namespace, patches: patches as Record<string, unknown> };
}

interface Waiting {
  line: (text: string) => void;
  pollMs: number;
  signal?: AbortSignal;
}

export async function withdraw(api: ApiServer, namespace: string, patches: Record<string, unknown>, waiting: Waiting): Promise<void> {
  const folder = `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
  const found: string[] = [];
  for (const [name, patch] of Object.entries(patches))
    if ((await unlessGone(api.patch(`${folder}/${name}`, 'merge', patch))) !== undefined) found.push(name);
  let [said, named] = ['', 0];
  for (let left = found; left.length > 0; await pause(waiting.pollMs, undefined, { signal: waiting.signal })) {
    const all = await Promise.all(left.map(async (name) => ({ name, rollout: await rolloutOf(api, `${folder}/${name}`) })));
    left = all.flatMap(({ name, rollout }) => (rollout !== undefined && isDone(rollout) ? [] : [name]));
    const words = all.map(({ name, rollout }) => `${name}: ${rollout === undefined ? 'not known' : inWords(rollout)}`).join(' · ');
    if (words !== said) waiting.line(words);
    said = words;
    if (left.length === 0) return;
    if (Date.now() - named < namingMs) continue;
    named = Date.now();
    for (const text of await unreadyNodes(api, namespace)) waiting.line(text);
  }
}

/** A DaemonSet that is gone has no node; undefined where the API server is away for a while. */
async function rolloutOf(api: ApiServer, path: string): Promise<Rollout | undefined> {
  try {
    const set = await unlessGone(api.get(path));
    if (set === undefined) return { wanted: 0, updated: 0, ready: 0, seen: true };
    const status = (key: string) => numberAt(set, 'status', key) ?? 0;
    const seen = status('observedGeneration') >= (numberAt(set, 'metadata', 'generation') ?? Number.POSITIVE_INFINITY);
    return { wanted: status('desiredNumberScheduled'), updated: status('updatedNumberScheduled'), ready: status('numberReady'), seen };
  } catch (error) {
    if (error instanceof KataError && isPassing(error)) return undefined;
    throw error;
  }
}

/** Away, busy, or with a token that is being replaced. */
function isPassing({ code, complaint }: KataError): boolean {
  const status = Number(complaint.details?.['status'] ?? 0);
  return code === 'cluster-unreachable' || status === 401 || status === 429 || status >= 500;
}

function isDone({ wanted, updated, ready, seen }: Rollout): boolean {
  return seen && updated >= wanted && ready >= wanted;
}

/** Until the controller has seen the template, its numbers are those of the one before. */
function inWords({ wanted, updated, ready, seen }: Rollout): string {
  if (!seen) return `the request is on its way to ${wanted} nodes`;
  return `${updated} of ${wanted} nodes have the request, ${ready} are ready`;
}

/** undefined where the object is not there. */
async function unlessGone(asking: Promise<unknown>): Promise<unknown> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof KataError && error.complaint.details?.['status'] === 404) return undefined;
    throw error;
  }
}

/** Each with what its report says. */
async function unreadyNodes(api: ApiServer, namespace: string): Promise<string[]> {
  const query = { labelSelector: nodePods, limit: '500' };
  const list = await api.get(`/api/v1/namespaces/${namespace}/pods`, { query }).catch(() => undefined);
  const waiting = listAt(list, 'items').filter((pod) =>
    listAt(pod, 'status', 'conditions').some((each) => textAt(each, 'type') === 'Ready' && textAt(each, 'status') !== 'True'),
  );
  const lines = waiting.slice(0, maxNamed).map((pod) => `  ${textAt(pod, 'spec', 'nodeName') ?? 'no node'}: ${reasonOf(pod)}`);
  return waiting.length > maxNamed ? [...lines, `  and ${waiting.length - maxNamed} more`] : lines;
}

function reasonOf(pod: unknown): string {
  const change = listAt(pod, 'status', 'initContainerStatuses').find((each) => textAt(each, 'name') === 'change');
  // A step that waits is run again.
  const message = textAt(change, 'state', 'terminated', 'message') ?? textAt(change, 'lastState', 'terminated', 'message');
  const report = readFleetMessage(message ?? '');
  return report === undefined ? 'not ready yet' : `${report.state}: ${report.reason}`;
}

function isName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}
