import { switchCode } from '../engines/index.ts';
import { codeRow } from '../errors/index.ts';
import type { Generation, GenerationRecord } from '../store/index.ts';
import type { Afterwards } from '../transaction/index.ts';
import type { PlannedSwitch } from './switch.ts';

export const nothingAfterwards: Afterwards = { records: [], dropGenerations: [], dropPayloads: [], purge: false };

/** What is known of the two ends of a switch, and what was allowed on the way. */
export interface Ends {
  from?: Generation | undefined;
  to: number;
  /** Of a generation that was there before. */
  record?: GenerationRecord;
  allow: string[];
  /** Where it is to be recorded. */
  loadModules?: boolean | undefined;
}

/** The record of what a boot made active: it has not proven itself yet, and nothing that was chosen changes. */
export function activeRecord(number: number, { edited, wired: wiring }: PlannedSwitch, at: Date): Afterwards['records'][number] {
  return { number, state: 'active', activated: at.toISOString(), edited, wiring };
}

/** The records after a switch. Offline nothing has been proven: the generation stays 'staged' until a boot proves it. */
export function switchRecords(ends: Ends, { edited, wired: wiring }: PlannedSwitch, live: boolean, at: Date): Afterwards['records'] {
  const from = ends.from?.manifest.number;
  const next = {
    number: ends.to,
    state: live ? ('active' as const) : ('staged' as const),
    activated: at.toISOString(),
    previous: from === ends.to ? undefined : from,
    wiring,
    edited,
    loadModules: ends.loadModules,
    ...allowedFor(ends),
  };
  return from === undefined || from === ends.to ? [next] : [{ number: from, state: 'retired' as const }, next];
}

/** What was allowed for this installation goes on to count: neither a boot nor a change of settings asks again. */
export function allowedFor({ from, record, allow }: Omit<Ends, 'to' | 'loadModules'>): Pick<GenerationRecord, 'allowed'> {
  const said = allow.filter((code) => codeRow(code).overridable);
  // The record of the wiring says whether the switch is on.
  const earlier = [...(from?.record.allowed ?? []), ...(record?.allowed ?? [])].filter((code) => code !== switchCode);
  const allowed = [...new Set([...earlier, ...said])].sort();
  return allowed.length === 0 ? {} : { allowed };
}
