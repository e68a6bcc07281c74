import type { Phase } from '../../guard/index.ts';
import { openHost } from '../../host/index.ts';
import type { Context } from '../types.ts';
import { blessAfterBoot } from './bless.ts';
import { type Guarded, settleAtBoot } from './settle.ts';
import { wireAtBoot } from './wire.ts';

export type { Guarded } from './settle.ts';

/** A phase of the boot guard. Until the engine runs the host is only its files: PID 1 waits for us, and must not be asked. */
export function guardBoot(context: Context, phase: Phase): Promise<Guarded> {
  const starting = openHost(context.host.root, context.host.env, { starting: true });
  const rows: Record<Phase, () => Promise<Guarded>> = {
    settle: () => settleAtBoot({ ...context, host: starting }),
    wire: () => wireAtBoot({ ...context, host: starting }),
    bless: () => blessAfterBoot(context, starting),
  };
  return rows[phase]();
}
