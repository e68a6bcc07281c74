import { uninstall } from '../../changes/uninstall.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  return reply(await uninstall(call.context, { ...changeOptionsOf(call), purge: call.options['purge'] === true }));
}
