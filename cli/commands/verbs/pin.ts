import { pin } from '../../operations/pin.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, generationNumber } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const number = generationNumber(call.words[0]!, 'pin');
  return reply(await pin(call.context, { ...changeOptionsOf(call), number, pinned: true }));
}
