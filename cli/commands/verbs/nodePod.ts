import { stepCalled } from '../../nodePod/index.ts';
import type { Call, Reply } from '../types.ts';

/** What a container of a node pod runs. */
export async function run(call: Call): Promise<Reply> {
  const step = await stepCalled(call.words[0]!);
  return step(call);
}
