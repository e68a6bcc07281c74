import { gc } from '../../operations/gc.ts';
import { usualKeep } from '../../preflight/collectable.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  return reply(await gc(call.context, { ...changeOptionsOf(call), keep: Number(call.options['keep'] ?? usualKeep) }));
}
