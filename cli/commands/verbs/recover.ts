import { type Guarded, guardBoot } from '../../bootGuard/index.ts';
import type { Phase } from '../../bootGuard/units/index.ts';
import { planRecover } from '../../operations/recover.ts';
import { bytes } from '../../output/index.ts';
import { runOperation } from '../../runner/run.ts';
import type { Staging } from '../../store/index.ts';
import type { Recovered } from '../../transaction/index.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const phase = call.options['boot'] as Phase | undefined;
  if (phase !== undefined) return guarded(await guardBoot(call.context, phase));
  const answer = await runOperation(call.context, 'recover', planRecover, changeOptionsOf(call));
  if (answer.kind === 'Plan') return reply(answer);
  const { recovered = [], removedStaging: removed } = answer.change;
  const text = [...lines(recovered), ...removedLines(removed)];
  return { kind: 'Recovery', body: { recovered: recovered.map(row), removed }, text: text.length === 0 ? ['nothing to recover'] : text };
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

function removedLines(removed: Staging | undefined): string[] {
  if (removed === undefined) return [];
  const { folders, sizeBytes } = removed;
  const freed = sizeBytes === undefined ? '' : `: ${bytes(sizeBytes)} freed`;
  return [`✓ removed what an interrupted unpacking left in ${folders.join(', ')}${freed}`];
}
