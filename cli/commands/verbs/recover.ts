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
  const { recovered, ...rest } = await recover(call.context, changeOptionsOf(call));
  const text = [...lines(recovered), ...removedLines(rest)];
  return { kind: 'Recovery', body: { recovered: recovered.map(row), ...rest }, text: text.length === 0 ? ['nothing to recover'] : text };
}

function guarded({ recovered, from, to, notes }: Guarded): Reply {
  const active = { from, to };
  return { kind: 'Recovery', body: { recovered: recovered.map(row), ...active, notes }, text: [...lines(recovered), ...notes] };
}

function row({ id, verb, result }: Recovered): Pick<Recovered, 'id' | 'verb' | 'result'> {
  return { id, verb, result };
}

function lines(recovered: Recovered[]): string[] {
  return recovered.map(({ id, verb, result }) => `✓ change ${id} (${verb}): ${result}`);
}

function removedLines({ removed }: Pick<Recovery, 'removed'>): string[] {
  if (removed === undefined) return [];
  const { folders, sizeBytes } = removed;
  const freed = sizeBytes === undefined ? '' : `: ${bytes(sizeBytes)} freed`;
  return [`✓ removed what an interrupted unpacking left in ${folders.join(', ')}${freed}`];
}
