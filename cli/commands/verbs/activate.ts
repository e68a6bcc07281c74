import { activate } from '../../operations/activate.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, generationNumber } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const [word] = call.words;
  return reply(
    await activate(call.context, {
      ...changeOptionsOf(call),
      ...(word === undefined ? {} : { number: generationNumber(word, 'activate') }),
    }),
  );
}
