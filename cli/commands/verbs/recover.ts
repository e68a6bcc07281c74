import { type Guarded, guardBoot } from '../../bootGuard/index.ts';
import type { Phase } from '../../bootGuard/units/index.ts';
import { planRecovery, type Recovery, recover } from '../../operations/recover.ts';
import { bytes } from '../../output/index.ts';
import type { Recovered } from '../../transaction/index.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const phase = call.options['boot'] as Phase | undefined;
  if (phase !== undefined) return guarded(await guardBoot(call.context, phase));
  if (call.options['dry-run'] === true) return reply({ kind: 'Plan', plan: await planRecovery(call.context) });
  const { settled, ...rest } = await recover(call.context, changeOptionsOf(call));
  const text = [...lines(settled), ...removedLines(rest)];
  return { kind: 'Recovery', body: { settled: settled.map(row), ...rest }, text: text.length === 0 ? ['nothing to recover'] : text };
}

function guarded({ settled, from, to, notes }: Guarded): Reply {
  const active = { from, to };
  return { kind: 'Recovery', body: { settled: settled.map(row), ...active, notes }, text: [...lines(settled), ...notes] };
}

function row({ id, verb, result }: Recovered): Pick<Recovered, 'id' | 'verb' | 'result'> {
  return { id, verb, result };
}

function lines(settled: Recovered[]): string[] {
  return settled.map(({ id, verb, result }) => `✓ change ${id} (${verb}): ${result}`);
}

function removedLines({ removed }: Pick<Recovery, 'removed'>): string[] {
  if (removed === undefined) return [];
  const { folders, sizeBytes } = removed;
  const freed = sizeBytes === undefined ? '' : `: ${bytes(sizeBytes)} freed`;
  return [`✓ removed what an interrupted unpacking left in ${folders.join(', ')}${freed}`];
}
