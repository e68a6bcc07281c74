import { deploymentNow } from '../facts/index.ts';
import { openHere, plannedRecovery, type Recovered } from '../transaction/index.ts';
import { refuseRunning } from './carrying/running.ts';
import { underLock } from './carrying/session.ts';
import type { ChangeOptions, Context, Plan } from './types.ts';

/** Settles interrupted changes, as every changing verb does first; with none there it does nothing. */
export function recover(context: Context, options: ChangeOptions): Promise<Recovered[]> {
  return underLock(context, 'recover', options, async (settled) => settled);
}

/** What it would do: a step for each interrupted change. Reads only. Throws `lock-held` while a change runs: that one is not interrupted. */
export async function planRecovery({ host }: Context): Promise<Plan> {
  await refuseRunning(host);
  const open = await openHere(host, await deploymentNow(host));
  const planned = await Promise.all(open.map((id) => plannedRecovery(host, id)));
  const steps = planned.map((text) => ({ kind: 'record' as const, text }));
  return { verb: 'recover', steps, restarts: [], dependents: [], gate: [], bytesWritten: 0, writes: [], findings: [] };
}
