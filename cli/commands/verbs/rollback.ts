import { planRollback } from '../../operations/switchToExisting.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const to = call.options['to'];
  return reply(
    await runOperation(call.context, 'rollback', planRollback, { ...changeOptionsOf(call), to: typeof to === 'number' ? to : undefined }),
  );
}
