import { type Generation, nextId } from '../../store/index.ts';
import { openEntries } from '../../transaction/index.ts';
import { carryOut } from '../carrying/carryOut.ts';
import { guardOf } from '../making/keepRunning.ts';
import { nothingAfterwards } from '../making/records.ts';
import { planSwitch } from '../making/switch.ts';
import { findEngine } from '../refusing/engine.ts';
import type { ChangeOptions, Context } from '../types.ts';
import { lastBlessed } from './suits.ts';

/** Nobody is there to ask or to allow anything. */
export const bootOptions: ChangeOptions = { dryRun: false, waitSeconds: 30, allow: [] };

/**
 * The active generation is given up: the one that was blessed last takes its place, else none, and the engine starts as it did without
 * Kata. By files alone: what runs from them has not started yet. Its own files stay; `activate` tries it again.
 */
export async function giveUp(context: Context, from: Generation, reason: string): Promise<number | undefined> {
  const { host, emit } = context;
  const started = host.now();
  const before = await lastBlessed(host, from);
  const to = before?.manifest;
  emit({ kind: 'warning', text: `generation ${from.manifest.number} is given up: ${reason}` });
  const found = await findEngine(host, undefined, from.record.wiring?.engine);
  const id = await nextId(host, await openEntries(host));
  const guard = to === undefined ? undefined : await guardOf(context, to);
  const options = bootOptions;
  const request = { verb: 'boot', id, found, from, bytesWritten: 0, options, guard, ...(to === undefined ? {} : { to }) };
  const planned = await planSwitch(host, request);
  const { wiring } = planned.wiring;
  const next = { state: 'active' as const, activated: started.toISOString(), edited: planned.edited, ...(wiring && { wiring }) };
  const records = [
    { number: from.manifest.number, state: 'failed' as const },
    ...(to === undefined ? [] : [{ number: to.number, ...next }]),
  ];
  await carryOut(context, {
    id,
    verb: 'boot',
    found,
    planned,
    from: from.manifest.number,
    ...(to === undefined ? {} : { to }),
    made: false,
    reason,
    started,
    afterwards: { ...nothingAfterwards, records },
  });
  emit({ kind: 'warning', text: to === undefined ? 'no generation is active now' : `generation ${to.number} is active now` });
  return to?.number;
}
