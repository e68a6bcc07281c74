import { inCluster } from '../../cluster/inCluster.ts';
import { nodeName } from '../../cluster/nodeName.ts';
import { listAt, textAt } from '../../cluster/values.ts';
import { readySinceFile } from '../readySince.ts';
import type { StepCall, StepReply } from '../types.ts';

/** Leaves for the step `change` since when the own node is ready. Throws those of the API. */
export async function run({ context: { host, signal } }: StepCall): Promise<StepReply> {
  const api = await inCluster(host, signal);
  const name = nodeName(host);
  const since = nodeReadySince(await api.get(`/api/v1/nodes/${name}`), host.now());
  if (since !== undefined) await host.writeFile(readySinceFile, `${since}\n`, { mode: 0o644 });
  return {
    kind: 'NodeReport',
    body: {},
    text: [since === undefined ? `node ${name}: not known since when it is ready` : `node ${name}: ready since ${since}`],
  };
}

/**
 * Since when a Node is Ready, of an answer to GET /api/v1/nodes/NAME, as its API writes times; `now` where it is not Ready. undefined where
 * the answer does not say so: it has no such condition, or no time.
 */
export function nodeReadySince(node: unknown, now: Date): string | undefined {
  const ready = listAt(node, 'status', 'conditions').find((each) => textAt(each, 'type') === 'Ready');
  if (ready === undefined) return undefined;
  if (textAt(ready, 'status') !== 'True') return now.toISOString();
  const ms = Date.parse(textAt(ready, 'lastTransitionTime') ?? '');
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}
