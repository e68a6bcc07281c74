import type { StepCall, StepReply } from '../types.ts';
import { featureFile } from './feature.ts';

/** Removes the file of features, so that no new pod comes while Kata is uninstalled. */
export async function run({ context: { host } }: StepCall): Promise<StepReply> {
  await host.unlink(featureFile);
  return { kind: 'NodeReport', body: {}, text: ['no file of features'] };
}
