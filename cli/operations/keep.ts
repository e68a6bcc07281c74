import { command } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { dropPlan } from '../planning/removal.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import { collectable } from '../preflight/collectable.ts';
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

interface GcRequest extends ChangeOptions {
  /** How many of the newest generations stay. Those that gc never removes are kept in addition. */
  keep: number;
}

/** Removes old generations and the payloads that nothing names any more. The active one, the one before it, pinned and running ones stay. */
export async function planGc({ host }: View, { keep }: GcRequest): Promise<OperationPlan> {
  const { numbers, afterwards, goes } = await collectable(host, keep);
  const says = { removedGenerations: numbers, freedBytes: goes.freedBytes };
  return { verb: 'gc', plan: dropPlan('gc', numbers, goes), idle: numbers.length === 0, afterwards, says };
}
