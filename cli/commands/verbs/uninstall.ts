import { KataError } from '../../errors/index.ts';
import { planUninstall } from '../../operations/uninstall.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, list } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const names = list(call.options['handler']);
  const purge = call.options['purge'] === true;
  if (names.length === 0) return reply(await runOperation(call.context, 'uninstall', planUninstall, { ...changeOptionsOf(call), purge }));
  if (purge) {
    throw new KataError('usage', {
      subject: '--purge',
      found: '--purge together with --handler',
      needed: 'either some handlers, or everything with its history',
      next: 'kata-sysext uninstall --help',
    });
  }
  const { planRemoveHandlers } = await import('../../operations/removeHandlers.ts');
  return reply(await runOperation(call.context, 'uninstall', planRemoveHandlers, { ...changeOptionsOf(call), names }));
}
