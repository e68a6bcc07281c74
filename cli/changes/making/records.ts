import type { Afterwards } from '../../transaction/index.ts';
import type { Switch } from './switch.ts';

export const nothingAfterwards: Afterwards = { records: [], dropGenerations: [], dropPayloads: [], purge: false };

/** The records after a switch. Offline nothing has been proven: the generation stays 'staged' until a boot proves it. */
export function switchRecords(
  from: number | undefined,
  to: number,
  { edited, wiring: { wiring } }: Switch,
  live: boolean,
  at: Date,
): Afterwards['records'] {
  const next = {
    number: to,
    state: live ? ('active' as const) : ('staged' as const),
    activated: at.toISOString(),
    ...(from === undefined || from === to ? {} : { previous: from }),
    ...(wiring === undefined ? {} : { wiring }),
    edited,
  };
  return from === undefined || from === to ? [next] : [{ number: from, state: 'retired' as const }, next];
}
