import { KataError } from '../../errors/index.ts';
import { activeGeneration, type Generation, type GenerationState, nextId } from '../../store/index.ts';
import { openEntries } from '../../transaction/index.ts';
import { othersWiring } from '../adopting/taking.ts';
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
  const { emit } = context;
  emit({ kind: 'warning', text: `generation ${from.manifest.number} is given up: ${reason}` });
  const now = await successor(context, from, reason);
  emit({ kind: 'warning', text: now === undefined ? 'no generation is active now' : `generation ${now} is active` });
  return now;
}

/** The one that was blessed last; none where there is no such one, or where it cannot be made active. */
async function successor(context: Context, from: Generation, reason: string): Promise<number | undefined> {
  const to = await lastBlessed(context.host, from).catch(() => undefined);
  if (to !== undefined) {
    try {
      await switchFiles(context, { from, to, left: 'failed', reason });
      return to.manifest.number;
    } catch (error) {
      if (!(error instanceof KataError) || error.exitCode === 5) throw error;
      context.emit({ kind: 'warning', text: `generation ${to.manifest.number} cannot take its place: ${error.complaint.found}` });
    }
  }
  try {
    await switchFiles(context, { from, to: undefined, left: 'failed', reason });
    return undefined;
  } catch (error) {
    // An update took the engine away: our text harms nobody, and is what a return of the engine will find.
    if (!(error instanceof KataError) || error.code !== 'engine-missing') throw error;
    return from.manifest.number;
  }
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
  const theirs = await othersWiring(host, found, from, to);
  const planned = await planSwitch(host, { verb: 'boot', id, found, bytesWritten: 0, options: bootOptions, guard, ...ends, ...theirs });
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
