import type { ChangeOptions } from '../planning/choices/types.ts';
import { dropPlan } from '../planning/removal.ts';
import { collectable } from '../preflight/collectable.ts';
import type { OperationPlan, View } from '../runner/types.ts';

export interface GcRequest extends ChangeOptions {
  /** How many of the newest generations stay. Those that gc never removes are kept in addition. */
  keep: number;
}

/** Removes old generations and the payloads that nothing names any more. The active one, the one before it, pinned and running ones stay. */
export async function planGc({ host }: View, { keep }: GcRequest): Promise<OperationPlan> {
  const { numbers, afterwards, goes } = await collectable(host, keep);
  const says = { removedGenerations: numbers, freedBytes: goes.freedBytes };
  return { verb: 'gc', plan: dropPlan('gc', numbers, goes), idle: numbers.length === 0, afterwards, says };
}
