import { activeGeneration, type Generation, type GenerationState, nextId } from '../../store/index.ts';
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
  emit({ kind: 'warning', text: `generation ${from.manifest.number} is given up: ${reason}` });
  const to = await lastBlessed(host, from);
  await switchFiles(context, { from, to, left: 'failed', reason });
  const now = to?.manifest.number;
  emit({ kind: 'warning', text: now === undefined ? 'no generation is active now' : `generation ${now} is active now` });
  return now;
}

/** It was not its fault: what was given up is active again. */
export async function takeBack(context: Context, to: Generation, reason: string): Promise<void> {
  const from = await activeGeneration(context.host);
  await switchFiles(context, { from, to, left: 'retired', reason });
}

interface FilesSwitch {
  from: Generation | undefined;
  to: Generation | undefined;
  /** What becomes of `from`. */
  left: GenerationState;
  reason: string;
}

async function switchFiles(context: Context, { from, to, left, reason }: FilesSwitch): Promise<void> {
  const { host } = context;
  const started = host.now();
  const found = await findEngine(host, undefined, (from ?? to)?.record.wiring?.engine);
  const id = await nextId(host, await openEntries(host));
  const ends = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to: to.manifest }) };
  const guard = to === undefined ? undefined : await guardOf(context, to.manifest);
  const planned = await planSwitch(host, { verb: 'boot', id, found, bytesWritten: 0, options: bootOptions, guard, ...ends });
  const { wiring } = planned.wiring;
  const next = { state: 'active' as const, activated: started.toISOString(), edited: planned.edited, ...(wiring && { wiring }) };
  const records = [
    ...(from === undefined ? [] : [{ number: from.manifest.number, state: left }]),
    ...(to === undefined ? [] : [{ number: to.manifest.number, ...next }]),
  ];
  await carryOut(context, {
    id,
    verb: 'boot',
    found,
    planned,
    ...(from === undefined ? {} : { from: from.manifest.number }),
    ...(to === undefined ? {} : { to: to.manifest }),
    made: false,
    reason,
    started,
    afterwards: { ...nothingAfterwards, records },
  });
}
