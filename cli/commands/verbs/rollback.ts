import { rollback } from '../../operations/rollback.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const to = call.options['to'];
  return reply(await rollback(call.context, { ...changeOptionsOf(call), ...(typeof to === 'number' ? { to } : {}) }));
}
