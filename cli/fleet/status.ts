import { words } from '../output/index.ts';
import { requestDigest, shortened } from '../requests/index.ts';
import type { Cluster, FleetNode, FleetRevision, FleetStatus, PodRow, RevisionRow } from './types.ts';

/** What the cluster's objects come to: pure. */
export function fleetStatus(cluster: Cluster): FleetStatus {
  const { namespace, daemonSets, nodes } = cluster;
  const pods = podOfEachNode(cluster.pods);
  const newest = new Map(daemonSets.map(({ uid }) => [uid, newestOf(cluster.revisions, uid)]));
  const revisions = daemonSets.flatMap((set) => {
    const own = pods.filter(({ owner }) => owner === set.uid);
    return cluster.revisions
      .filter(({ owner }) => owner === set.uid)
      .sort((one, other) => other.revision - one.revision)
      .map((row) => fleetRevision(set.name, row, row === newest.get(set.uid), own));
  });
  const reached = new Set(pods.map(({ node }) => node));
  const lines = pods.map((pod) => fleetNode(pod, cluster, newest.get(pod.owner)));
  return {
    namespace,
    daemonSets: daemonSets.map(({ uid, ...set }) => {
      const current = newest.get(uid);
      const lastGood = revisions.find(({ daemonSet, goodEverywhere }) => daemonSet === set.name && goodEverywhere)?.revision;
      const undo = ['kubectl', 'rollout', 'undo', `daemonset/${set.name}`, `--to-revision=${lastGood}`, '-n', namespace];
      return {
        ...set,
        ...(current?.request !== undefined && { mode: current.request.mode }),
        ...(current !== undefined && { revision: current.revision }),
        ...(lastGood !== undefined && { lastGood }),
        ...(lastGood !== undefined && lastGood !== current?.revision && { undo: words(undo) }),
      };
    }),
    nodes: lines.sort((one, other) => (one.name < other.name ? -1 : 1)),
    otherNodes: [...nodes.keys()].filter((name) => !reached.has(name)).length,
    revisions,
  };
}

/** While a pod is replaced there are two. */
function podOfEachNode(pods: PodRow[]): PodRow[] {
  const chosen = new Map<string, PodRow>();
  for (const pod of pods) {
    const other = chosen.get(pod.node);
    if (other === undefined || isNewer(pod, other)) chosen.set(pod.node, pod);
  }
  return [...chosen.values()];
}

function isNewer(pod: PodRow, other: PodRow): boolean {
  return pod.ending === other.ending ? pod.created > other.created : other.ending;
}

function newestOf(revisions: RevisionRow[], uid: string): RevisionRow | undefined {
  return revisions
    .filter(({ owner }) => owner === uid)
    .reduce<RevisionRow | undefined>((best, row) => (best !== undefined && best.revision > row.revision ? best : row), undefined);
}

function fleetNode(pod: PodRow, { daemonSets, revisions, nodes, probes }: Cluster, current: RevisionRow | undefined): FleetNode {
  const { message, ready } = pod;
  const revision = revisions.find(({ owner, hash }) => owner === pod.owner && hash === pod.hash)?.revision;
  const { state, reason } = said(pod, nodes.get(pod.node)?.status ?? 'Unknown', probes.get(pod.uid));
  return {
    name: pod.node,
    daemonSet: daemonSets.find(({ uid }) => uid === pod.owner)?.name ?? '',
    ...(revision !== undefined && { revision }),
    current: current !== undefined && pod.hash === current.hash,
    ...(message?.release !== undefined && { release: message.release }),
    ...(message?.generation !== undefined && { generation: message.generation }),
    state,
    ready,
    reason,
    ...(message?.code !== undefined && { code: message.code }),
    labelled: nodes.get(pod.node)?.labelled ?? false,
  };
}

/** The newest that is known counts: a dead node reports nothing more, and a probe is newer than the report of the change. */
function said({ ready, message, stage }: PodRow, node: string, probe: string | undefined): Pick<FleetNode, 'state' | 'reason'> {
  if (!/^Ready\b/.test(node))
    return { state: 'lost', reason: `the node is ${node}${message === undefined ? '' : `; before: ${message.state}`}` };
  if (message === undefined) {
    if (stage !== undefined) return stage;
    return {
      state: 'unknown',
      reason: probe ?? (ready ? 'its pod is ready, and says nothing more' : 'its pod is not ready, and says nothing more'),
    };
  }
  if (ready) return { state: message.state, reason: message.reason };
  if (stage !== undefined && message.ready) return stage;
  return { state: message.state, reason: probe ?? (message.ready ? `${message.reason}; but its pod is not ready` : message.reason) };
}

/** Who never did any request here cannot say that one is bad, unless it failed here. */
function fleetRevision(daemonSet: string, row: RevisionRow, current: boolean, pods: PodRow[]): FleetRevision {
  const { revision, request } = row;
  const counts = { good: 0, failed: 0, unknown: 0, against: 0 };
  const wanted = request === undefined ? undefined : shortened(requestDigest(request));
  for (const { message } of pods) {
    if (message === undefined || wanted === undefined) counts.unknown++;
    else if (message.state === 'unsuitable') continue;
    else {
      const own = shortened(message.request) === wanted;
      const [proven, failed] = [message.proven ?? [], message.failed ?? []];
      if (own ? message.state === 'failed' : failed.includes(wanted)) counts.failed++;
      else if (own ? message.state === 'done' : proven.includes(wanted)) counts.good++;
      else {
        counts.unknown++;
        if (proven.length > 0 || message.state === 'done') counts.against++;
      }
    }
  }
  const { good, failed, unknown, against } = counts;
  const goodEverywhere = request?.mode === 'install' && good > 0 && failed === 0 && against === 0;
  return { daemonSet, revision, current, ...(request !== undefined && { mode: request.mode }), good, failed, unknown, goodEverywhere };
}
