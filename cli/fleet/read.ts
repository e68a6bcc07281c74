import type { ApiServer } from '../cluster/api.ts';
import { listAt, numberAt, textAt } from '../cluster/values.ts';
import { oneLine, requestIn } from '../requests/index.ts';
import { eachOf, eachRow } from './lists.ts';
import { podRow } from './pods.ts';
import type { Cluster, DaemonSetRow, PodRow, RevisionRow } from './types.ts';

/** The label of all objects of the chart, and of its pods. */
const labelSelector = 'app.kubernetes.io/name=kata-sysext';
const ownLabel = 'katacontainers.io/kata-sysext';
const maxStatus = 64;

/** Reads what `status --fleet` shows: lists, in pages, and nothing is written. Throws those of the API. */
export async function readCluster(api: ApiServer, namespace: string): Promise<Cluster> {
  const [core, apps] = [`/api/v1/namespaces/${namespace}`, `/apis/apps/v1/namespaces/${namespace}`];
  const daemonSets = new Map<string, DaemonSetRow>();
  await eachOf(api, { path: `${apps}/daemonsets`, query: { labelSelector } }, (item) => {
    const [uid, name] = [textAt(item, 'metadata', 'uid'), textAt(item, 'metadata', 'name')];
    const number = (key: string) => numberAt(item, 'status', key) ?? 0;
    if (uid === undefined || name === undefined) return;
    const [desired, updated, ready] = [number('desiredNumberScheduled'), number('updatedNumberScheduled'), number('numberReady')];
    daemonSets.set(uid, { uid, name, desired, updated, ready });
  });
  const revisions = new Map<string, RevisionRow>();
  const pods = new Map<string, PodRow>();
  const nodes: Cluster['nodes'] = new Map();
  if (daemonSets.size > 0) {
    await eachOf(api, { path: `${apps}/controllerrevisions`, query: { labelSelector } }, (item) => {
      const row = revisionRow(item);
      if (row !== undefined && daemonSets.has(row.owner)) revisions.set(`${row.owner} ${row.revision}`, row);
    });
    await eachOf(api, { path: `${core}/pods`, query: { labelSelector } }, (item) => {
      const row = podRow(item);
      if (row !== undefined && daemonSets.has(row.owner)) pods.set(row.uid, row);
    });
    await eachRow(api, { path: '/api/v1/nodes' }, (cell, metadata) => {
      const [name, status] = [textAt(metadata, 'name'), cell('Status')];
      if (name === undefined) return;
      const labelled = textAt(metadata, 'labels', ownLabel) !== undefined;
      nodes.set(name, { name, status: typeof status === 'string' ? status.slice(0, maxStatus) : 'Unknown', labelled });
    });
  }
  const all = [...pods.values()];
  const probes = await readProbes(api, core, new Set(all.flatMap((pod) => (needsProbe(pod) ? [pod.uid] : []))));
  return { namespace, daemonSets: [...daemonSets.values()], revisions: [...revisions.values()], nodes, pods: all, probes };
}

function revisionRow(item: unknown): RevisionRow | undefined {
  const owner = textAt(
    listAt(item, 'metadata', 'ownerReferences').find((each) => textAt(each, 'kind') === 'DaemonSet'),
    'uid',
  );
  const revision = numberAt(item, 'revision');
  if (owner === undefined || revision === undefined) return undefined;
  const change = listAt(item, 'data', 'spec', 'template', 'spec', 'initContainers').find((each) => textAt(each, 'name') === 'change');
  const env = listAt(change, 'env').find((each) => textAt(each, 'name') === 'KATA_SYSEXT_REQUEST');
  return {
    owner,
    hash: textAt(item, 'metadata', 'labels', 'controller-revision-hash') ?? '',
    revision,
    request: requestIn(textAt(env, 'value') ?? ''),
  };
}

/** Its report does not say why it is not ready. */
function needsProbe({ ready, message, stage, ending }: PodRow): boolean {
  return !ready && !ending && stage === undefined && message?.ready !== false;
}

/** A failed probe prints the reason, which the kubelet makes an event of. Events are kept for an hour, and made again within it. */
async function readProbes(api: ApiServer, core: string, wanted: ReadonlySet<string>): Promise<Map<string, string>> {
  const found = new Map<string, { at: string; text: string }>();
  if (wanted.size === 0) return new Map();
  const fieldSelector = 'involvedObject.kind=Pod,reason=Unhealthy';
  await eachOf(api, { path: `${core}/events`, query: { fieldSelector } }, (item) => {
    const uid = textAt(item, 'involvedObject', 'uid') ?? '';
    const at = textAt(item, 'series', 'lastObservedTime') ?? textAt(item, 'lastTimestamp') ?? textAt(item, 'eventTime') ?? '';
    const text = /^Readiness probe failed: (.+)/s.exec(textAt(item, 'message') ?? '')?.[1];
    if (text !== undefined && wanted.has(uid) && at >= (found.get(uid)?.at ?? '')) found.set(uid, { at, text: oneLine(text) });
  });
  return new Map([...found].map(([uid, { text }]) => [uid, text]));
}
