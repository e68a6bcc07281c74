import { recover } from '../../changes/recover.ts';
import { changeOptionsOf } from '../options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const settled = await recover(call.context, changeOptionsOf(call));
  const lines = settled.map(({ id, verb, result }) => `✓ change ${id} (${verb}): ${result}`);
  return {
    kind: 'Recovery',
    body: { settled: settled.map(({ id, verb, result }) => ({ id, verb, result })) },
    text: lines.length === 0 ? ['nothing to recover'] : lines,
  };
}
