import { command } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { readGeneration } from '../store/index.ts';

export interface PinRequest extends ChangeOptions {
  number: number;
  pinned: boolean;
}

/** Says that gc keeps a generation, or that it need not any more. */
export async function planPin({ host }: View, { number, pinned }: PinRequest): Promise<OperationPlan> {
  const verb = pinned ? 'pin' : 'unpin';
  const { manifest: to, record } = await readGeneration(host, number);
  const text = pinned ? `gc keeps generation ${number}` : `gc may remove generation ${number}`;
  const idle = (record.pinned === true) === pinned;
  return {
    verb,
    plan: { ...emptyPlan(verb), steps: idle ? [] : [{ kind: 'record', text }] },
    idle,
    to,
    afterwards: { ...nothingAfterwards, records: [{ number, state: record.state, pinned }] },
    says: idle ? {} : { undoCommand: command(host, `${pinned ? 'unpin' : 'pin'} ${number}`) },
  };
}
