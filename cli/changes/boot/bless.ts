import { setTimeout as sleep } from 'node:timers/promises';
import { backendOf } from '../../backends/index.ts';
import { KataError } from '../../errors/index.ts';
import { deploymentNow } from '../../facts/index.ts';
import { blessedFile, blessings, blessingText } from '../../guard/index.ts';
import type { Host } from '../../host/index.ts';
import {
  activeGeneration,
  activeNumber,
  ensureFolder,
  type Generation,
  journalFolder,
  namesOf,
  triesIn,
  wiringsWith,
  withTries,
  writeRecord,
} from '../../store/index.ts';
import { bringUp, keptDownBy, restartDeadlineMs } from '../../transaction/index.ts';
import { underLock } from '../carrying/session.ts';
import type { Context } from '../types.ts';
import { wiredEngine } from './engine.ts';
import { bootOptions, giveUp, takeBack } from './giveUp.ts';
import { unhealthy } from './greenboot.ts';
import type { Guarded } from './settle.ts';

/** How long the engine may take until it serves, and for how long it must go on. */
const patienceMs = 300_000;
const steadyMs = 10_000;
const pauseMs = 1_000;
/** Automatic restarts after which an engine is not waited for any longer. */
const mostRestarts = 5;
const probeMs = 5_000;
/** How long an update that runs is waited for; together with the patience less than RuntimeMaxSec= of the unit. */
const busyMs = 3_600_000;

/**
 * The third phase, on the running host: once the engine lists our handlers and goes on to do so with the same process, the generation is
 * blessed on this system. An engine that does not come up gets its configuration back without our part.
 */
export async function blessAfterBoot(context: Context): Promise<Guarded> {
  const { host } = context;
  const from = await activeGeneration(host);
  if (from === undefined) return { settled: [], notes: ['no generation is active'] };
  const { number } = from.manifest;
  const both = { settled: [], from: number };
  if ((await host.readText(blessedFile)) === (await blessingText(host, number))) return { ...both, to: number, notes: ['already blessed'] };
  const seen = await watch(context, from);
  if (seen.ill === undefined) {
    await onceFree(context, () => underLock(context, 'boot', bootOptions, () => bless(host, number)));
    return { ...both, to: number, notes: [`generation ${number} is blessed on this system`] };
  }
  if (seen.untried) await onceFree(context, () => underLock(context, 'boot', bootOptions, () => takeTryBack(host, number)));
  if (!seen.down) return { ...both, to: number, notes: [`not blessed: ${seen.ill}`] };
  return { ...both, ...(await withoutIt(context, from, seen.ill)) };
}

/** A boot in which nobody started the engine says nothing about the generation. */
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

/** An update that runs as well is waited for: it must not make a boot that is well count as a try. */
async function onceFree(context: Context, work: () => Promise<void>): Promise<void> {
  const until = performance.now() + busyMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const busy = error instanceof KataError && ['host-busy', 'lock-held'].includes(error.code);
      if (!busy || context.signal.aborted || performance.now() > until) throw error;
      await sleep(pauseMs * 5);
    }
  }
}

/** Starts the engine without our part; where that does not help, our part was not at fault and comes back. */
async function withoutIt(context: Context, from: Generation, ill: string): Promise<{ to?: number; notes: string[] }> {
  const { host } = context;
  const name = from.record.wiring?.engine ?? 'the engine';
  // Somebody may have made another one active while the engine was waited for.
  const asWas = async (active: number | undefined, work: () => Promise<number | undefined>) =>
    underLock(context, 'boot', bootOptions, async () => ((await activeNumber(host)) === active ? { to: await work() } : undefined));
  const { number } = from.manifest;
  const given = await asWas(number, () => giveUp(context, from, `${name} does not come up: ${ill}`, 'asked'));
  if (given === undefined) return { notes: [ill, 'another generation is active by now; nothing is changed'] };
  await startAgain(host, from);
  if (await comesUp(host, from)) return { ...(given.to === undefined ? {} : { to: given.to }), notes: [ill] };
  const back = async () => takeBack(context, from, `${name} does not come up without it either`).then(() => number);
  if ((await asWas(given.to, back)) === undefined) return { notes: [ill, 'another generation is active by now'] };
  await startAgain(host, from);
  return { to: from.manifest.number, notes: [ill, `${name} does not come up without our part either, so that it is back`] };
}

async function comesUp(host: Host, from: Generation): Promise<boolean> {
  const until = performance.now() + patienceMs / 5;
  for (;;) {
    const { serves, failed } = await health(host, from);
    if (serves || failed || performance.now() > until) return serves;
    await sleep(pauseMs);
  }
}

interface Seen {
  /** What is wrong; undefined when everything was well for long enough. */
  ill?: string;
  /** The engine itself does not serve. */
  down: boolean;
  /** Nobody started it, all the time. */
  untried?: boolean;
}

async function watch({ host, signal }: Context, from: Generation): Promise<Seen> {
  const until = performance.now() + patienceMs;
  let since: { at: number; run: string } | undefined;
  for (;;) {
    const now = await health(host, from);
    const at = performance.now();
    if (now.ill === undefined && since?.run !== now.run) since = { at, run: now.run };
    if (now.ill !== undefined) since = undefined;
    if (since !== undefined && at - since.at >= steadyMs) return { down: false };
    if (now.failed || signal.aborted || at > until) {
      if (now.ill !== undefined || at > until)
        return { ill: now.ill ?? 'it did not go on for long enough', down: now.down, untried: now.untried && at > until };
      return { ill: 'interrupted', down: false };
    }
    await sleep(pauseMs);
  }
}

interface Health {
  ill?: string;
  /** Its CRI answers, whatever it says. */
  serves: boolean;
  /** It was started, and does not serve. */
  down: boolean;
  /** Nobody has started it in this boot; one that hangs while it starts was started. */
  untried: boolean;
  /** systemd gave up on it, or starts it again and again. */
  failed: boolean;
  /** Which run of the engine answered. */
  run: string;
}

async function health(host: Host, from: Generation): Promise<Health> {
  const { manifest } = from;
  const wiring = from.record.wiring;
  const systemd = await host.systemd();
  const unit = wiring?.unit === undefined ? undefined : await systemd?.unit(wiring.unit);
  const restarts = unit?.restarts ?? 0;
  const failed = unit?.activeState === 'failed' || restarts >= mostRestarts;
  const untried = unit?.activeState === 'inactive' && unit.activeEnterMs === 0 && restarts === 0;
  // One that nobody has started is no fault of ours.
  const down = failed || unit?.activeState === 'active' || restarts > 0;
  const both = { untried, failed, run: `${unit?.invocationId} ${unit?.mainPid}` };
  try {
    const found = await wiredEngine(host, from);
    const state = await found.engine.probe(host, found.instance, probeMs);
    if (!state.reachable) return { ...both, ill: state.why ?? 'the CRI does not answer', serves: false, down };
    const serving = { ...both, serves: true, down: false };
    const missing = namesOf(manifest).filter((name) => !state.handlers.includes(name));
    if (missing.length > 0) return { ...serving, ill: `the CRI does not list ${missing.join(', ')}` };
    const pids = [1, ...(unit === undefined || unit.mainPid === 0 ? [] : [unit.mainPid])];
    const checks = await unhealthy(host);
    if (checks !== undefined) return { ...serving, ill: checks.ill, failed: failed || checks.failed };
    const [problem] = await backendOf(manifest.backend).reaches(host, manifest, pids);
    return { ...serving, ...(problem === undefined ? {} : { ill: problem }) };
  } catch (error) {
    return { ...both, ill: error instanceof KataError ? error.complaint.found : String(error), serves: false, down };
  }
}

/** The record first: the drop-ins are what systemd believes, and the first phase's is what counts. */
async function bless(host: Host, number: number): Promise<void> {
  const now = await activeGeneration(host);
  if (now?.manifest.number !== number) return;
  const { deployment } = await deploymentNow(host);
  const { schema: _schema, ...rest } = withTries(now.record, deployment);
  await writeRecord(host, number, {
    ...rest,
    ...wiringsWith(rest, deployment),
    state: 'blessed',
    blessed: { at: host.now().toISOString(), deployment },
  });
  // The drop-ins look into it, and a host that was booted from an image with Kata in it has had no change yet.
  await ensureFolder(host, journalFolder, 0o700);
  const text = await blessingText(host, number);
  for (const { folder, file, temporary } of [...blessings].reverse()) {
    await ensureFolder(host, folder);
    await host.writeFile(file, text, { mode: 0o644 }, temporary);
    await host.relabel([file]);
  }
}

async function startAgain(host: Host, { record }: Generation): Promise<void> {
  const [systemd, unit] = [await host.systemd(), record.wiring?.unit];
  if (systemd === undefined || unit === undefined) return;
  const dependents = await keptDownBy(host, unit);
  await bringUp(host, { kind: 'restart', unit, dependents, deadlineMs: restartDeadlineMs(await systemd.unit(unit)) });
}
