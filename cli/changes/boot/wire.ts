import type { EffectiveDiff, WiringPlan } from '../../engines/index.ts';
import { KataError } from '../../errors/index.ts';
import { activeGeneration, type Generation, nextId, releaseBallast } from '../../store/index.ts';
import { openEntries } from '../../transaction/index.ts';
import { carryOut, withScratch } from '../carrying/carryOut.ts';
import { underLock } from '../carrying/session.ts';
import { guardOf } from '../making/keepRunning.ts';
import { nothingAfterwards } from '../making/records.ts';
import { planSwitch, type Switch } from '../making/switch.ts';
import type { Found } from '../refusing/engine.ts';
import type { Context } from '../types.ts';
import { readsOther, wiredEngine } from './engine.ts';
import { bootOptions, giveUp } from './giveUp.ts';
import { type Guarded, isSettled, settleLocked } from './settle.ts';

/**
 * The second phase, before the engine starts. Its own binary tells what it makes of its files without our part, and with it: as it stands,
 * or as an update of the engine or of its configuration asks for. Where more than our handlers differs, our part goes.
 */
export function wireAtBoot(context: Context): Promise<Guarded> {
  return underLock(context, 'boot', bootOptions, async (settled) => {
    const { host } = context;
    // Without /var the first phase could not run.
    const early = (await isSettled(host)) ? { settled, notes: [] } : await settleLocked(context, settled, 'stays');
    const from = await activeGeneration(host);
    if (from === undefined) return early;
    const found = await readingEngine(context, from);
    if (typeof found === 'string') return { ...early, notes: [...early.notes, `${found}; nothing is changed`] };
    const { notes, fault } = await look(context, from, found);
    const { number } = from.manifest;
    const all = [...early.notes, ...notes];
    if (fault === undefined) return { settled: early.settled, from: number, to: number, notes: all };
    const to = await giveUp(context, from, fault, 'stays');
    return { settled: early.settled, from: number, ...(to === undefined ? {} : { to }), notes: [...all, fault] };
  });
}

/** In words where it is gone, or reads other files: then our text harms nobody, and other files are not ours to edit. */
async function readingEngine({ host }: Context, from: Generation): Promise<Found | string> {
  try {
    const found = await wiredEngine(host, from);
    return (await readsOther(host, found, from)) ?? found;
  } catch (error) {
    if (error instanceof KataError && error.code === 'engine-missing') return error.complaint.found;
    throw error;
  }
}

interface Looked {
  notes: string[];
  /** Why our part cannot stay. */
  fault?: string;
}

async function look(context: Context, from: Generation, found: Found): Promise<Looked> {
  const { host } = context;
  const { engine, instance } = found;
  const id = await nextId(host, await openEntries(host));
  const wiring = await engine.plan(host, instance, [], from.record.wiring);
  const bare = await without(context, wiring, found);
  if (typeof bare === 'string') return { notes: [`${engine.name} does not take its own configuration; it is left alone: ${bare}`] };
  const planned = await replan(context, from, found, id);
  // An OS image may bring names that the wiring of the image before did not have.
  const handlers = typeof planned === 'string' ? (from.record.wiring?.handlers ?? []).map(({ name }) => name) : planned.touched;
  const changes = typeof planned !== 'string' && planned.wiring.changes.length > 0 ? planned.wiring : undefined;
  const dump = changes
    ? withScratch(context, found, (scratch) => engine.planned(host, instance, changes, scratch))
    : engine.effective(host, instance);
  const fault = await dump.then(
    (value) => faultIn(engine.compare(bare, value, handlers), engine.name),
    (error: unknown) => `${engine.name} does not take its configuration with our part in it: ${saying(error)}`,
  );
  const notes = typeof planned === 'string' ? [`the wiring stays as it is: ${planned}`] : [];
  if (fault !== undefined) return { notes, fault };
  if (typeof planned === 'string' || planned.steps.length === 0) return { notes };
  await rewire(context, from, found, planned, id);
  return { notes: ['the wiring was made anew'] };
}

/** What the engine makes of its files without our part; in words why it takes them not even so. */
async function without(context: Context, wiring: WiringPlan, found: Found): Promise<Record<string, unknown> | string> {
  const { host } = context;
  const { engine, instance } = found;
  try {
    return await withScratch(context, found, (scratch) => engine.planned(host, instance, wiring, scratch));
  } catch (error) {
    return saying(error);
  }
}

/** The same generation, wired as this engine needs it now; in words why it cannot be. */
async function replan(context: Context, from: Generation, found: Found, id: number): Promise<Switch | string> {
  const to = from.manifest;
  try {
    const guard = await guardOf(context, to);
    return await planSwitch(context.host, { verb: 'boot', id, found, from, to, bytesWritten: 0, options: bootOptions, guard });
  } catch (error) {
    return saying(error);
  }
}

async function rewire(context: Context, from: Generation, found: Found, planned: Switch, id: number): Promise<void> {
  await releaseBallast(context.host);
  const to = from.manifest;
  const { wiring } = planned.wiring;
  const records = [{ number: to.number, state: 'active' as const, edited: planned.edited, ...(wiring && { wiring }) }];
  await carryOut(context, {
    id,
    verb: 'boot',
    found,
    planned,
    from: to.number,
    to,
    made: false,
    reason: `${found.engine.name} ${found.instance.version ?? ''} asks for another wiring than the one that was there`,
    started: context.host.now(),
    afterwards: { ...nothingAfterwards, records },
  });
}

function faultIn({ others }: EffectiveDiff, engine: string): string | undefined {
  return others.length === 0 ? undefined : `our part changes more of ${engine} than our handlers: ${others.slice(0, 5).join('; ')}`;
}

function saying(error: unknown): string {
  return error instanceof KataError ? error.complaint.found : String(error);
}
