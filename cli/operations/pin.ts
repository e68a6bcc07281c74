import { command } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { carryOut, receipt } from '../runner/carryOut.ts';
import { underLock } from '../runner/session.ts';
import type { Answer, Context } from '../runner/types.ts';
import { nextId, readGeneration } from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';

export interface PinRequest extends ChangeOptions {
  number: number;
  pinned: boolean;
}

/** Says that gc keeps a generation, or that it need not any more. */
export function pin(context: Context, request: PinRequest): Promise<Answer> {
  const { number, pinned } = request;
  const verb = pinned ? 'pin' : 'unpin';
  return underLock(context, verb, request, async () => {
    const { host } = context;
    const started = host.now();
    const { manifest: to, record } = await readGeneration(host, number);
    const text = pinned ? `gc keeps generation ${number}` : `gc may remove generation ${number}`;
    const same = (record.pinned === true) === pinned;
    if (request.dryRun) {
      const steps = same ? [] : [{ kind: 'record' as const, text }];
      return { kind: 'Plan', plan: { verb, steps, restarts: [], dependents: [], gate: [], bytesWritten: 0, writes: [], findings: [] } };
    }
    const id = await nextId(host, await openEntries(host));
    const records = [{ number, state: record.state, pinned }];
    const carry = { id, verb, to, made: false, started, afterwards: { ...nothingAfterwards, records } };
    const outcome = same ? undefined : await carryOut(context, carry);
    const undoCommand = command(host, `${pinned ? 'unpin' : 'pin'} ${number}`);
    return { kind: 'Change', change: { ...receipt(context, carry, outcome), ...(same ? {} : { undoCommand }) } };
  });
}
