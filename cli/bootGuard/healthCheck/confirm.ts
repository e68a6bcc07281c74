import { KataError } from '../../errors/index.ts';
import { deploymentNow } from '../../facts/index.ts';
import type { Host } from '../../host/index.ts';
import { underLock } from '../../runner/session.ts';
import type { Context } from '../../runner/types.ts';
import {
  activeGeneration,
  ensureFolder,
  type Generation,
  journalFolder,
  triesIn,
  wiringsWith,
  withTries,
  writeRecord,
} from '../../store/index.ts';
import { wiredEngines } from '../engine.ts';
import type { Guarded } from '../recoverAtBoot.ts';
import { bootOptions } from '../rollBackAtBoot.ts';
import { blessedFile, blessings, blessingText } from '../units/index.ts';
import { health } from './health.ts';
import { type Clock, ownClock, watch } from './watch.ts';
import { withoutIt } from './without.ts';

const pauseMs = 5_000;
/** How long an update that runs is waited for; with two watches and what follows a bad one less than RuntimeMaxSec= of the unit. */
const busyMs = 3_600_000;

/**
 * The third phase, on the running host: once the engine lists kata-sysext's handlers and goes on to do so with the same process, the
 * generation is blessed on this system. An engine that does not come up gets its configuration back without the wiring.
 *
 * @param clock of every wait of the phase
 */
export async function confirmAfterBoot(context: Context, clock = ownClock): Promise<Guarded> {
  const { host } = context;
  const from = await activeGeneration(host);
  if (from === undefined) return { recovered: [], notes: ['no generation is active'] };
  const { number } = from.manifest;
  const both = { recovered: [], from: number };
  const time = { clock, until: clock.now() + busyMs };
  for (let crossed = false; ; ) {
    // Before the watch: files that change later were not watched.
    const text = await blessingText(host, number);
    if ((await host.readText(blessedFile)) === text) return { ...both, to: number, notes: ['already blessed'] };
    const seen = await watch(() => health(host, from), context.signal, clock);
    if (seen.run !== undefined) {
      const proof = { text, run: seen.run };
      const moved = async () => (await health(host, from)).run !== proof.run;
      const note = await onceFree(context, time, () => bless(host, from, proof), moved);
      if (note !== undefined) return { ...both, to: number, notes: [note] };
      if (clock.now() <= time.until) continue;
      return { ...both, to: number, notes: ['not blessed: the engine restarted again and again'] };
    }
    if (seen.untried) await onceFree(context, time, () => takeTryBack(host, number));
    if (!seen.down) return { ...both, to: number, notes: [`not blessed: ${seen.ill}`] };
    const { to, notes, comesUpWithWiring } = await withoutIt(context, from, { ill: seen.ill ?? 'it does not serve', crossed, clock });
    if (comesUpWithWiring !== true) return { ...both, to, notes };
    crossed = true;
  }
}

/** A boot in which the engine was never started says nothing about the generation. */
async function takeTryBack(host: Host, number: number): Promise<void> {
  const now = await activeGeneration(host);
  if (now?.manifest.number !== number) return;
  const { deployment, boot } = await deploymentNow(host);
  const tries = triesIn(now.record, deployment);
  // Not every boot was counted.
  if (tries?.boot !== boot) return;
  const { schema: _schema, ...rest } = withTries(now.record, deployment, { ...tries, boots: Math.max(0, tries.boots - 1) });
  await writeRecord(host, number, rest);
}

/**
 * Work that can wait does so, for an update that runs as well: it must not make a boot that is well count as a try, whatever its end is.
 * undefined where something came between, so that there is nothing to wait for any more.
 */
async function onceFree<T>(
  context: Context,
  { clock, until }: { clock: Clock; until: number },
  work: () => Promise<T>,
  came: () => Promise<boolean> = async () => false,
): Promise<T | undefined> {
  for (;;) {
    const { othersSeconds: _none, ...patient } = bootOptions;
    const last = clock.now() > until;
    try {
      return await underLock(context, 'boot', last ? { ...bootOptions, othersSeconds: 0 } : patient, work);
    } catch (error) {
      const busy = error instanceof KataError && ['host-busy', 'lock-held'].includes(error.code);
      if (!busy || context.signal.aborted || last) throw error;
      await clock.pause(pauseMs);
      if (await came()) return undefined;
    }
  }
}

interface Proof {
  /** The drop-in's text, made before the engine was watched. */
  text: string;
  /** The run of the engine that was watched. */
  run: string;
}

/**
 * Gives what was done, in words; undefined where another run of the engine is there by now, which has to be watched itself. Files that were
 * exchanged under the engine since are proven by the next boot: no drop-in speaks of them.
 */
async function bless(host: Host, from: Generation, { text, run }: Proof): Promise<string | undefined> {
  const { number } = from.manifest;
  const now = await activeGeneration(host);
  if (now?.manifest.number !== number) return 'another generation is active by now; nothing is changed';
  const state = await health(host, from);
  if (state.ill !== undefined || state.run !== run) return undefined;
  const { deployment } = await deploymentNow(host);
  const { schema: _schema, ...rest } = withTries(now.record, deployment);
  // The record first: the drop-ins are what systemd believes, and the first phase's is what counts.
  await writeRecord(host, number, {
    ...rest,
    ...wiringsWith(rest, deployment),
    state: 'blessed',
    blessed: { at: host.now().toISOString(), deployment },
  });
  const [lost] = (await wiredEngines(host, from)).flatMap(({ engine, gone }) => (gone === undefined ? [] : [engine.name]));
  // It may come back with files that were never watched.
  if (lost !== undefined) return `generation ${number} is blessed without ${lost}, which is not here; the next boot checks again`;
  if ((await blessingText(host, number)) !== text || (await isStale(host, from)))
    return `generation ${number} is blessed; files of the engine or of the system changed since the engine started, so the next boot checks again`;
  // The drop-ins look into it, and a host that was booted from an image with Kata in it has had no change yet.
  await ensureFolder(host, journalFolder, 0o700);
  for (const { folder, file, temporary } of [...blessings].reverse()) {
    await ensureFolder(host, folder);
    await host.writeFile(file, text, { mode: 0o644 }, temporary);
    await host.relabel([file]);
  }
  return `generation ${number} is blessed on this system`;
}

/** Whether an engine would start with other files than those that it runs with. What cannot be told is left to the next boot. */
async function isStale(host: Host, from: Generation): Promise<boolean> {
  for (const { engine, instance, gone } of await wiredEngines(host, from)) {
    if (engine.daemon === undefined || gone !== undefined) continue;
    const pending = await engine.daemon.pendingRestarts(host, instance).catch(() => undefined);
    if (pending === undefined || pending.length > 0) return true;
  }
  return false;
}
