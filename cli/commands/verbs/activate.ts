import { planActivate } from '../../operations/switchToExisting.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, generationNumber } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const [word] = call.words;
  return reply(
    await runOperation(call.context, 'activate', planActivate, {
      ...changeOptionsOf(call),
      number: word === undefined ? undefined : generationNumber(word, 'activate'),
    }),
  );
}
