import { planGc } from '../../operations/gc.ts';
import { usualKeep } from '../../preflight/collectable.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  return reply(
    await runOperation(call.context, 'gc', planGc, { ...changeOptionsOf(call), keep: Number(call.options['keep'] ?? usualKeep) }),
  );
}
