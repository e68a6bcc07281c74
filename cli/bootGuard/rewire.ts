import { type EffectiveDiff, type EngineDump, exceptSwitch, isRefused } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import { guardOf } from '../planning/programCopy.ts';
import { activeRecord, nothingAfterwards } from '../planning/records.ts';
import { switchedOn } from '../planning/selinuxSwitch.ts';
import type { Found } from '../planning/types.ts';
import { checkedSwitch, type Switch } from '../preflight/switch.ts';
import { execute } from '../runner/execute.ts';
import { viewOf } from '../runner/run.ts';
import { underLock } from '../runner/session.ts';
import type { Context, View } from '../runner/types.ts';
import { activeGeneration, type Generation, releaseReservedSpace } from '../store/index.ts';
import { partsOf, readsOther, wiredEngine } from './engine.ts';
import { type Guarded, isRecovered, recoverLocked } from './recoverAtBoot.ts';
import { bootOptions, rollBackAtBoot } from './rollBackAtBoot.ts';

/**
 * The second phase, before the engine starts. Its own binary says what it makes of its files without the wiring, and with it: as the wiring
 * is, or as an update of the engine or of its configuration needs it. Where the wiring makes it refuse them, or changes more than
 * kata-sysext's handlers, the wiring goes; where the binary cannot be asked, the engine's start shows it.
 */
export function rewireAtBoot(context: Context): Promise<Guarded> {
  return underLock(context, 'boot', bootOptions, async ({ recovered }) => {
    const { host } = context;
    // Without /var the first phase could not run, and without the engine, which an extension may bring, it rolls nothing back.
    const early = (await isRecovered(host)) ? { recovered, notes: [] } : await recoverLocked(context, recovered, 'stays');
    const from = await activeGeneration(host);
    if (from === undefined) return early;
    const { notes, fault } = await lookAtEach(context, from);
    const { number } = from.manifest;
    const all = [...early.notes, ...notes];
    if (fault === undefined) return { recovered: early.recovered, from: number, to: number, notes: all };
    const { to } = await rollBackAtBoot(context, from, fault, 'stays');
    return { recovered: early.recovered, from: number, to, notes: [...all, fault] };
  });
}

/** Engine after engine: the first that the wiring cannot stay in decides for the generation. One that does not read the wiring is left alone. */
async function lookAtEach(context: Context, from: Generation): Promise<Looked> {
  const notes: string[] = [];
  for (const { record } of partsOf(from)) {
    // The look at the one before may have written the record.
    const now = (await activeGeneration(context.host)) ?? from;
    const name = record.wiring?.engine;
    const part = partsOf(now).find((each) => each.record.wiring?.engine === name) ?? now;
    const found = await readingEngine(context, part);
    if (typeof found === 'string') {
      notes.push(`${found}; nothing is changed`);
      continue;
    }
    const looked = await look(context, now, part, found);
    notes.push(...looked.notes);
    if (looked.fault !== undefined) return { notes, fault: looked.fault };
  }
  return { notes };
}

/** In words where it is gone, or reads other files: then the wiring has no effect, and other files must not be edited. */
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
  /** Why the wiring cannot stay. */
  fault?: string;
}

/** `part`: `from` with the wiring of this engine alone. */
async function look(context: Context, from: Generation, part: Generation, found: Found): Promise<Looked> {
  const { engine, instance } = found;
  const { dump: own } = engine;
  const view = await viewOf(context);
  if (own === undefined) return wireUnjudged(context, view, from, found);
  const { host } = view;
  const bare = await without(view, part, found, own);
  if (typeof bare === 'string') return { notes: [`${bare}; it is left alone`] };
  const planned = await replan(view, from, found);
  // An OS image may bring names that the wiring of the image before did not have.
  const handlers = typeof planned === 'string' ? (part.record.wiring?.handlers ?? []).map(({ name }) => name) : planned.touched;
  // What renders the engine's file has yet to read the wiring.
  const wiring = typeof planned === 'string' ? undefined : planned.wirings[0]?.wiring;
  const differs = wiring !== undefined && (wiring.changes.length > 0 || instance.renderer !== undefined);
  const changes = differs ? wiring : undefined;
  const notes = typeof planned === 'string' ? [`the wiring stays as it is: ${planned}`] : [];
  try {
    const dump = changes
      ? await view.withScratch(found, (scratch) => own.renderPlanned(host, instance, changes, scratch))
      : await own.dumpEffective(host, instance);
    const diff = own.compare(bare, dump, handlers);
    // Without the wiring a file of the switch may be one that nothing reads.
    const fault = faultIn(switchedOn(part.record).includes(engine.name) ? exceptSwitch(engine, diff) : diff, engine.name);
    if (fault !== undefined) return { notes, fault };
  } catch (error) {
    if (isRefused(error))
      return { notes, fault: `${engine.name} does not take its configuration with kata-sysext’s wiring in it: ${saying(error)}` };
    return {
      notes: [...notes, `whether ${engine.name} takes its configuration with kata-sysext’s wiring in it is not known: ${saying(error)}`],
    };
  }
  if (typeof planned === 'string' || planned.steps.length === 0) return { notes };
  await rewire(context, view, from, found, planned);
  return { notes: ['the wiring was written again'] };
}

/** No program says what the files mean: an update may need another wiring all the same. */
async function wireUnjudged(context: Context, view: View, from: Generation, found: Found): Promise<Looked> {
  const planned = await replan(view, from, found);
  if (typeof planned === 'string') return { notes: [`the wiring stays as it is: ${planned}`] };
  if (planned.steps.length === 0) return { notes: [] };
  await rewire(context, view, from, found, planned);
  return { notes: ['the wiring was written again'] };
}

/** What the engine makes of its files without the wiring; in words why that is not known. */
async function without(view: View, from: Generation, found: Found, own: EngineDump): Promise<Record<string, unknown> | string> {
  const { host } = view;
  const { engine, instance } = found;
  try {
    const wiring = await engine.plan(host, instance, [], from.record.wiring);
    return await view.withScratch(found, (scratch) => own.renderPlanned(host, instance, wiring, scratch));
  } catch (error) {
    const what = isRefused(error) ? `${engine.name} does not take its own configuration` : `what ${engine.name} takes is not known`;
    return `${what}: ${saying(error)}`;
  }
}

/** The same generation, wired as this engine needs it now; in words why it cannot be. */
async function replan(view: View, from: Generation, found: Found): Promise<Switch | string> {
  const to = from.manifest;
  try {
    const more = { options: bootOptions, guard: await guardOf(view, to), loadModules: from.record.loadModules };
    return await checkedSwitch(view.host, { verb: 'boot', id: view.id, engines: [found], from, to, ...more });
  } catch (error) {
    return saying(error);
  }
}

async function rewire(context: Context, view: View, from: Generation, found: Found, planned: Switch): Promise<void> {
  await releaseReservedSpace(context.host);
  const to = from.manifest;
  const { activated: _before, ...record } = activeRecord(to.number, planned, view.started);
  await execute(context, view, {
    verb: 'boot',
    plan: planned.plan,
    idle: false,
    from: to.number,
    to,
    engines: [found],
    planned,
    reason: `${found.engine.name} ${found.instance.version ?? ''} needs another wiring than the one that was there`,
    afterwards: { ...nothingAfterwards, records: [record] },
  });
}

function faultIn({ others }: EffectiveDiff, engine: string): string | undefined {
  return others.length === 0
    ? undefined
    : `kata-sysext’s wiring changes more of ${engine} than its handlers: ${others.slice(0, 5).join('; ')}`;
}

function saying(error: unknown): string {
  return error instanceof KataError ? error.complaint.found : String(error);
}
