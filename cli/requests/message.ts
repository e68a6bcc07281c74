import { parseJson } from '../documents/index.ts';
import { misfitOf, oneOf, type Shaped, tableOf } from '../documents/shapes.ts';
import type { NodeReport } from './report.ts';
import { saidShape } from './report.ts';

/** Kubernetes keeps 4,096 bytes of a container's termination message. */
const maxBytes = 4096;
/** A character may take six bytes. */
const maxReason = 300;
const maxRelease = 64;

/** What a node pod leaves of the node's report in its own status, where it is read of all nodes at once. */
export type NodeMessage = Shaped<typeof messageShape>;
const messageShape = tableOf({ kind: oneOf('NodeReport'), ...saidShape });

/** One line of JSON, of at most 4,096 bytes. */
export function fleetMessage(report: NodeReport): string {
  const { request, mode, state, ready, reason, code, release, generation, restarts, proven, failed } = report;
  return JSON.stringify({
    kind: 'NodeReport',
    request,
    mode,
    state,
    ready,
    reason: reason.slice(0, maxReason),
    code,
    release: release?.slice(0, maxRelease),
    generation,
    restarts,
    proven,
    failed,
  });
}

/** undefined where a message is another one: any program may end with a text of its own. */
export function readFleetMessage(message: string): NodeMessage | undefined {
  try {
    const value = parseJson(message, { maxBytes, maxDepth: 3, maxValues: 100 });
    return misfitOf(messageShape, value) === undefined ? (value as NodeMessage) : undefined;
  } catch {
    return undefined;
  }
}
