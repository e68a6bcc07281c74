import { inCluster } from '../../cluster/inCluster.ts';
import { nodeName } from '../../cluster/nodeName.ts';
import { nodeReadySince } from '../../cluster/ready.ts';
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
