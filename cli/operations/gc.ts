import type { ChangeOptions } from '../planning/choices/types.ts';
import { dropPlan } from '../planning/removal.ts';
import { collectable } from '../preflight/collectable.ts';
import { carryOut, receipt } from '../runner/carryOut.ts';
import { underLock } from '../runner/session.ts';
import type { Answer, Context } from '../runner/types.ts';
import { nextId } from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';

export interface GcRequest extends ChangeOptions {
  /** How many of the newest generations stay besides those that must. */
  keep: number;
}

/** Removes old generations and the payloads that nothing names any more. The active one, the one before it, pinned and running ones stay. */
export function gc(context: Context, request: GcRequest): Promise<Answer> {
  return underLock(context, 'gc', request, async () => {
    const { host } = context;
    const started = host.now();
    const { numbers, afterwards, goes } = await collectable(host, request.keep);
    const id = await nextId(host, await openEntries(host));
    const carry = { id, verb: 'gc', made: false, started, afterwards };
    if (request.dryRun) return { kind: 'Plan', plan: dropPlan('gc', numbers, goes) };
    const outcome = numbers.length === 0 ? undefined : await carryOut(context, carry);
    return { kind: 'Change', change: { ...receipt(context, carry, outcome), removedGenerations: numbers, freedBytes: goes.freedBytes } };
  });
}
