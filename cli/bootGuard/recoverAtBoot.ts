import { KataError } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import type { Host, HostView } from '../host/index.ts';
import { underLock } from '../runner/session.ts';
import type { Context } from '../runner/types.ts';
import { activeGeneration, type Generation, pointer, triesIn, withTries, writeRecord } from '../store/index.ts';
import type { Recovered } from '../transaction/index.ts';
import { takeBrought } from './brought.ts';
import { bootOptions, rollBackAtBoot, type Usr } from './rollBackAtBoot.ts';
import { unsuited, whyAbsent } from './suits.ts';
import { bootFolder, bootMark, canBless, isBlessed } from './units/index.ts';

/** Boots that a generation gets to prove itself. */
const maxTries = 3;

/** What a phase of the guard did. */
export interface Guarded {
  recovered: Recovered[];
  /** The generation that was active, and the one that is now. */
  from?: number;
  to?: number | undefined;
  /** In a sentence each. */
  notes: string[];
}

/**
 * The first phase: an interrupted change is recovered, then the active generation must suit the system that boots, and must not have used
 * up its tries. Needs no bus, and starts nothing.
 */
export async function recoverAtBoot(context: Context): Promise<Guarded> {
  // Before anything can fail: the later phases must run, whatever becomes of this one.
  await mark(context.host, '');
  return underLock(context, 'boot', bootOptions, ({ recovered }) => recoverLocked(context, recovered, 'comes'));
}

export async function recoverLocked(context: Context, recovered: Recovered[], usr: Usr): Promise<Guarded> {
  const { host } = context;
  const news = await brought(context);
  const from = await activeGeneration(host);
  if (from === undefined) return { recovered, notes: [...news, await nothingActive(host)] };
  const { number } = from.manifest;
  const without = await whyAbsent(host, from);
  const reason = (await unsuited(host, from)) ?? (without === undefined ? await usedUp(context, from, usr) : undefined);
  const done = reason === undefined ? undefined : await rollBackAtBoot(context, from, reason, usr);
  // What brings the engine may be merged after the first phase: then the second one, which comes before the engine, rolls back.
  if (done?.without === undefined || usr !== 'comes') await mark(host, through);
  const suits = without === undefined ? 'suits this system' : `is not used in this boot, which does not count as a try: ${without}`;
  if (done === undefined) return { recovered, from: number, to: number, notes: [...news, `generation ${number} ${suits}`] };
  return { recovered, from: number, to: done.to, notes: [...news, ...(reason === undefined ? [] : [reason])] };
}

/** What the OS image brought that boots here for the first time; an image that cannot be wired here keeps no host from booting. */
async function brought(context: Context): Promise<string[]> {
  try {
    const note = await takeBrought(context);
    return note === undefined ? [] : [note];
  } catch (error) {
    if (!(error instanceof KataError) || error.exitCode === 5) throw error;
    return [`the generation of the OS image cannot be made active: ${error.complaint.found}`];
  }
}

const through = 'recovered\n';

/** Whether the first phase of this boot came to its end. */
export async function isRecovered(host: HostView): Promise<boolean> {
  return (await host.readText(bootMark)) === through;
}

async function mark(host: Host, text: string): Promise<void> {
  if (!host.booted) return;
  if ((await host.lstat(bootFolder)) === undefined) await host.mkdir(bootFolder, 0o700);
  await host.writeFile(bootMark, text, { mode: 0o600 });
}

async function nothingActive(host: HostView): Promise<string> {
  const target = await host.readlink(pointer);
  return target === undefined ? 'no generation is active' : `${pointer} points at ${target}, where no generation is; nothing is changed`;
}

/**
 * Counts this boot, once, unless the generation was blessed on this very system or the confirm phase does not run in this boot. Gives why
 * its tries are used up.
 */
async function usedUp({ host, emit }: Context, { manifest: { number }, record }: Generation, usr: Usr): Promise<string | undefined> {
  // Extensions, which may bring the engine, are merged after the first phase.
  if (await isBlessed(host, number, usr !== 'comes')) return undefined;
  if (!(await canBless(host))) return undefined;
  const { deployment, boot } = await deploymentNow(host);
  const since = record.activated ?? '';
  const before = triesIn(record, deployment) ?? { boots: 0, boot: '' };
  if (before.boot === boot && boot !== 'offline') return undefined;
  if (before.boots >= maxTries) return `generation ${number} was not blessed in ${before.boots} boots`;
  const { schema: _schema, ...counted } = withTries(record, deployment, { deployment, since, boots: before.boots + 1, boot });
  // On a full disk a boot that is not counted is better than one that is not looked after.
  await writeRecord(host, number, counted).catch((error: unknown) =>
    emit({ kind: 'warning', text: `this boot is not counted as a try: ${String(error)}` }),
  );
  return undefined;
}
