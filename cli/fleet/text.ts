import { type Cell, tableLines } from '../output/index.ts';
import type { FleetNode, FleetStatus } from './types.ts';

const mostNames = 3;
const mostRows = 40;
const maxReason = 100;

/** What people read: who is where, and the way back. Each node has a line of its own with `verbose`. */
export function fleetText(status: FleetStatus, verbose: boolean): string[] {
  const { namespace, daemonSets, nodes, otherNodes } = status;
  if (daemonSets.length === 0) return [`There is no DaemonSet of kata-sysext in namespace ${namespace}.`];
  const sets = tableLines(
    ['DAEMONSET', 'MODE', 'REVISION', 'UPDATED', 'READY'],
    daemonSets.map(({ name, mode = '?', revision, desired, updated, ready }): Cell[] => [
      name,
      mode,
      String(revision ?? '?'),
      `${updated} of ${desired}`,
      `${ready} of ${desired}`,
    ]),
  );
  const rows = nodes.length === 0 ? [] : ['', ...(verbose ? eachNode(nodes) : groups(nodes))];
  const rest = [...otherLine(otherNodes), ...daemonSets.flatMap((set) => wayBack(status, set))];
  return [...sets, ...rows, ...(rest.length === 0 ? [] : ['', ...rest])];
}

function otherLine(otherNodes: number): string[] {
  if (otherNodes === 0) return [];
  return [`${otherNodes} ${otherNodes === 1 ? 'node of the cluster has' : 'nodes of the cluster have'} no pod of kata-sysext`];
}

function eachNode(nodes: FleetNode[]): string[] {
  return tableLines(
    ['NODE', 'READY', 'REVISION', 'RELEASE', 'GENERATION', 'LABEL', 'STATE', 'REASON'],
    nodes.map((node): Cell[] => [
      node.name,
      node.ready ? 'yes' : 'no',
      `${node.revision ?? '?'}${node.current ? '' : ' (old)'}`,
      node.release ?? '',
      node.generation === undefined ? '' : String(node.generation),
      node.labelled ? 'yes' : 'no',
      node.state,
      node.reason,
    ]),
  );
}

/** A line for all nodes of which the same is to be said, the worst first. */
function groups(nodes: FleetNode[]): string[] {
  const found = new Map<string, FleetNode[]>();
  for (const node of nodes) {
    const key = JSON.stringify([node.daemonSet, node.ready, node.revision, node.release, node.state, node.reason]);
    const group = found.get(key);
    if (group === undefined) found.set(key, [node]);
    else group.push(node);
  }
  const sorted = [...found.values()].sort((one, other) => Number(one[0]!.ready) - Number(other[0]!.ready) || other.length - one.length);
  const rows = sorted.slice(0, mostRows).map((group): Cell[] => {
    const [{ ready, revision, current, release = '', state, reason }] = group as [FleetNode];
    return [
      String(group.length),
      ready ? 'yes' : 'no',
      `${revision ?? '?'}${current ? '' : ' (old)'}`,
      release,
      state,
      cut(reason),
      namesIn(group),
    ];
  });
  const lines = tableLines(['NODES', 'READY', 'REVISION', 'RELEASE', 'STATE', 'REASON', 'NAMES'], rows);
  return sorted.length > mostRows ? [...lines, `and ${sorted.length - mostRows} more kinds of nodes: --json or -v has all`] : lines;
}

function cut(reason: string): string {
  return reason.length > maxReason ? `${reason.slice(0, maxReason)}…` : reason;
}

function namesIn(group: FleetNode[]): string {
  const names = group.slice(0, mostNames).map(({ name }) => name);
  return `${names.join(', ')}${group.length > mostNames ? ` and ${group.length - mostNames} more` : ''}`;
}

function wayBack({ revisions }: FleetStatus, { name, mode, revision, lastGood, undo }: FleetStatus['daemonSets'][number]): string[] {
  if (mode !== 'install') return [];
  if (lastGood === undefined) return [`${name}: no revision is known to be good on every node`];
  const { good = 0, unknown = 0 } = revisions.find((each) => each.daemonSet === name && each.revision === lastGood) ?? {};
  const where = `good on ${good} ${good === 1 ? 'node' : 'nodes'}, failed on none${unknown === 0 ? '' : `, never tried on ${unknown}`}`;
  if (undo === undefined) return [`${name}: revision ${revision} is good everywhere (${where})`];
  return [`${name}: revision ${lastGood} was the last that was good everywhere (${where}); this leads back to it:`, `  ${undo}`];
}
