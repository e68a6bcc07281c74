import { inCluster } from '../../cluster/inCluster.ts';
import { nodeName } from '../../cluster/nodeName.ts';
import type { StepCall, StepReply } from '../types.ts';
import { label } from './label.ts';

/** Takes the labels from the own node, so that no new pod comes while Kata is uninstalled. Throws those of the API. */
export async function run({ context }: StepCall): Promise<StepReply> {
  const api = await inCluster(context.host, context.signal);
  const text = await label(api, nodeName(context.host), undefined, undefined, context.signal);
  return { kind: 'NodeReport', body: {}, text: [text] };
}
