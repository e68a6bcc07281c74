import { isTargetActive, openHost } from '../host/index.ts';
import type { Context } from '../runner/types.ts';
import type { Unit } from '../systemd/types.ts';
import { confirmAfterBoot } from './healthCheck/confirm.ts';
import { type Guarded, recoverAtBoot } from './recoverAtBoot.ts';
import { rewireAtBoot } from './rewire.ts';
import type { Phase } from './units/index.ts';

export type { Guarded } from './recoverAtBoot.ts';

/**
 * What a phase comes before. systemd starts a skipped unit of a target again with every unit that needs the target (a condition that failed
 * at the boot may hold by now): on a host that is up the first two phases have nothing to do, and would remove files that the engine uses.
 */
const ends: Partial<Record<Phase, Unit>> = { recover: 'sysinit.target', rewire: 'multi-user.target' };

/**
 * A phase of the boot guard. Until the engine runs the host is only its files: PID 1 waits for this unit, so it is asked nothing that could
 * wait for the unit.
 */
export async function guardBoot(context: Context, phase: Phase): Promise<Guarded> {
  const end = ends[phase];
  if (end !== undefined && context.host.booted && (await isTargetActive(end)))
    return { recovered: [], notes: [`${end} is reached: nothing to do`] };
  const starting = openHost(context.host.root, context.host.env, { starting: true });
  const rows: Record<Phase, () => Promise<Guarded>> = {
    recover: () => recoverAtBoot({ ...context, host: starting }),
    rewire: () => rewireAtBoot({ ...context, host: starting }),
    confirm: () => confirmAfterBoot(context),
  };
  return rows[phase]();
}
