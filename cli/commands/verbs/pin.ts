import { planPin } from '../../operations/pin.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, generationNumber } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const number = generationNumber(call.words[0]!, 'pin');
  return reply(await runOperation(call.context, 'pin', planPin, { ...changeOptionsOf(call), number, pinned: true }));
}
