import { posix } from 'node:path';
import type { Step } from '../backends/stepKinds.ts';
import { commandWord } from '../errors/index.ts';
import { bootOf } from '../facts/index.ts';
import type { Host, HostView } from '../host/index.ts';
import type { Leftover, Place, RestartStep, Undo } from '../steps/types.ts';
import { bringUp, restartedBy } from '../steps/units.ts';
import { isDropIn } from '../systemd/dropIns.ts';
import type { Unit } from '../systemd/types.ts';
import { readStep, undoStore } from './journal.ts';
import { describe, kindOf, subjectOf } from './stepKinds.ts';
import type { Intent } from './types.ts';

/**
 * Puts back every step that was begun, last first; then what waits for that is finished (a refresh of extensions), and each engine is brought
 * up again if its restart was begun. Safe to repeat and to interrupt.
 * `restarted` says which units were restarted; `leftovers` what could not be put back.
 */
export async function undo(host: Host, intent: Intent): Promise<{ restarted: string[]; leftovers: Leftover[] }> {
  const leftovers: Leftover[] = [];
  const engines = restartsIn(intent);
  /** Not put back by itself: it is finished when the steps before it are back. */
  const waiting: Step[] = [];
  for (const [index, step] of [...intent.steps.entries()].reverse()) {
    const entry = await readStep(host, intent.id, index);
    // PID 1 may have read a file before the step that makes it do so: it booted meanwhile.
    if (entry !== undefined || step.kind === 'reread') waiting.push(step);
    if (entry === undefined) continue;
    for (const engine of engines) if (engine.step === step) engine.begun = true;
    if (step.kind === 'file') for (const engine of engines) engine.wired ||= index > engine.start && index < engine.end;
    if (kindOf(step).waitsForOthers === true) leftovers.push(...(await finish(host, waiting)));
    // The engine reads what is there without the change that this one came before; only then that goes as well.
    const own = step.kind === 'file' && step.settles === 'first' ? engines.find(({ at }) => at > index) : undefined;
    if (own !== undefined && host.live && !own.broughtUp && (await hasRead(host, intent, own))) {
      leftovers.push(...(await bringUpAgain(host, own.step)));
      own.broughtUp = true;
      // An engine that was not reached has not forgotten the handlers, and would not by the file of before.
      if (leftovers.some((leftover) => leftover.retry)) break;
    }
    await host.failpoint(`undo/${step.kind}/before`);
    leftovers.push(...(await putBackStep(host, intent, index, step, entry.undo)));
    await host.failpoint(`undo/${step.kind}/after`);
    // Before the files go that the unit named, and the engine starts: PID 1 would start it as it was.
    if (isLastSetting(intent, index, step)) leftovers.push(...(await finish(host, takeRereads(waiting))));
    // While a later step is not undone, the earlier ones stay: otherwise the engine would name files that are gone.
    if (leftovers.some((leftover) => leftover.retry)) break;
  }
  const rereads = takeRereads(waiting);
  leftovers.push(...(await finish(host, waiting)));
  leftovers.push(...(engines.some(({ wired }) => wired) ? await finish(host, rereads) : []));
  if (leftovers.some(({ retry }) => retry) && intent.steps.some(({ kind }) => kind === 'reread')) return { restarted: [], leftovers };
  const restarted: string[] = [];
  for (const engine of engines) {
    if (!engine.broughtUp && (!host.live || !(await hasRead(host, intent, engine)))) continue;
    if (!engine.broughtUp) leftovers.push(...(await bringUpAgain(host, engine.step)));
    restarted.push(...restartedBy(engine.step));
  }
  return { restarted, leftovers };
}

/** The restart of an engine, and what of its steps was begun. */
interface Restarting {
  step: RestartStep;
  at: number;
  /** Its files are between the restarts of the engines before and after it. */
  start: number;
  end: number;
  begun: boolean;
  /** A file was written that it may have read. */
  wired: boolean;
  broughtUp: boolean;
}

function restartsIn({ steps }: Intent): Restarting[] {
  const all = steps.flatMap((step, at) => (step.kind === 'restart' ? [{ step, at }] : []));
  return all.map(({ step, at }, index) => ({
    step,
    at,
    start: all[index - 1]?.at ?? -1,
    end: all[index + 1]?.at ?? steps.length,
    begun: false,
    wired: false,
    broughtUp: false,
  }));
}

/** Whether it has to be brought up again: it was restarted, or something else started it after a file of its was written. */
async function hasRead(host: Host, intent: Intent, { step, begun, wired }: Restarting): Promise<boolean> {
  return begun || (wired && (await mayHaveRead(host, intent, step)));
}

async function putBackStep(host: Host, intent: Intent, index: number, step: Step, found: Undo): Promise<Leftover[]> {
  if (await isPastIt(host, intent, index, step)) return [];
  const leftovers: Leftover[] = [];
  const place = await putBack(host, intent, index, step, found).catch((error: unknown) => {
    leftovers.push({
      path: subjectOf(step),
      found: `could not undo “${describe(step)}”: ${String(error)}`,
      next: 'kata-sysext recover',
      retry: true,
    });
    return 'before' as const;
  });
  if (place === 'other') {
    leftovers.push({
      path: subjectOf(step),
      found: `edited by another program or user during the change; before the change it had ${'before' in step ? step.before : 'other content'}`,
      next: nextOfEdited(host, step),
      retry: false,
    });
  }
  return leftovers;
}

/** Nothing is left in the journal for it: what another program or user made of it is for people to judge. A tree has its own paths. */
function nextOfEdited({ root }: HostView, step: Step): string {
  const path = commandWord(posix.join(root, subjectOf(step)));
  if (step.kind === 'pointer') {
    const back = step.before === 'absent' ? `rm ${path}` : `ln -sfn ${commandWord(step.before)} ${path}`;
    return `look at it: ls -l ${path}; then make it what it was: ${back}`;
  }
  if (step.kind !== 'file') return `look at it: ls -ld ${path}`;
  if (step.after === 'absent') return `look at it: cat ${path}; then compare it with what is installed: kata-sysext verify`;
  const gone = step.before === 'absent' ? `remove it (rm ${path}), or ` : '';
  return `look at it: cat ${path}; then ${gone}take the text of kata-sysext out of it by hand`;
}

async function bringUpAgain(host: Host, engine: RestartStep): Promise<Leftover[]> {
  await host.failpoint('undo/engine/before');
  const problems = await bringUp(host, engine).then(
    (brought) => brought.problems.map((found) => ({ found, retry: false })),
    (error: unknown) => [{ found: `could not bring ${engine.unit} up again: ${String(error)}`, retry: true }],
  );
  return problems.map((problem) => ({ path: engine.unit, ...problem, next: problem.retry ? 'kata-sysext recover' : nextOfEngine(engine) }));
}

/**
 * What was asked for, and of the unit that was asked: a restart in place of a reload would end what runs. One that has stopped meanwhile is
 * started by the same words.
 */
function nextOfEngine({ by, asked, unit }: RestartStep): string {
  const log = (name: Unit) => `journalctl -u ${commandWord(name)} -n 50`;
  if (by === 'itself') return log(unit);
  return `${log(asked)}; systemctl ${by === 'reload' ? 'reload-or-restart' : by} ${commandWord(asked)}`;
}

/** The last of an engine's drop-ins that is put back: no earlier step has one of its unit. */
function isLastSetting({ steps }: Intent, index: number, step: Step): boolean {
  if (step.kind !== 'file' || !isDropIn(step.path)) return false;
  const folder = posix.dirname(step.path);
  return !steps.slice(0, index).some((each) => each.kind === 'file' && isDropIn(each.path) && posix.dirname(each.path) === folder);
}

/** Takes them out of what waits. */
function takeRereads(waiting: Step[]): Step[] {
  const rereads = waiting.filter(({ kind }) => kind === 'reread');
  waiting.splice(0, waiting.length, ...waiting.filter(({ kind }) => kind !== 'reread'));
  return rereads;
}

/** Each of them once. */
async function finish(host: Host, waiting: Step[]): Promise<Leftover[]> {
  const leftovers: Leftover[] = [];
  for (const step of waiting.splice(0)) {
    const { finishUndo, atBoot } = kindOf(step);
    if (host.live || (atBoot === true && host.booted)) leftovers.push(...((await finishUndo?.(host, step)) ?? []));
  }
  return leftovers;
}

/**
 * Of several changes of one file, an undo that was interrupted may have put an earlier one back: the file is not edited by others then, and a
 * text of this step in it is what it had before the change.
 */
async function isPastIt(host: HostView, { steps }: Intent, index: number, step: Step): Promise<boolean> {
  if (step.kind !== 'file') return false;
  const earlier = steps.slice(0, index).filter((each) => each.kind === 'file' && each.path === step.path);
  if (earlier.length === 0) return false;
  const now = (await host.digest(step.path)) ?? 'absent';
  return earlier.some((each) => each.kind === 'file' && each.before === now);
}

async function putBack(host: Host, intent: Intent, index: number, step: Step, found: Undo): Promise<Place> {
  const kind = kindOf(step);
  await kind.revert(host, step, found, undoStore(host, intent.id, index));
  const place = await kind.look(host, step, found);
  return place === 'other' && (await insertionsGone(host, step, undoStore(host, intent.id, index).path('before'))) ? 'before' : place;
}

/** A foreign file that was edited meanwhile counts as restored when it has no text of kata-sysext any more. */
async function insertionsGone(host: HostView, step: Step, saved: string): Promise<boolean> {
  if (step.kind !== 'file' || !step.foreign) return false;
  const now = (await host.readText(step.path)) ?? '';
  const earlier = (await host.readText(saved)) ?? '';
  const before = new Set(lines(earlier));
  const inserted = step.ours.flatMap(lines).filter((line) => line.includes('kata') && !before.has(line));
  // Line by line: an edit inside the block leaves its other lines behind, with paths that no longer exist.
  const whole = step.ours.some((text) => now.includes(text) && !earlier.includes(text));
  return step.after === 'absent' || !(whole || lines(now).some((line) => inserted.includes(line)));
}

function lines(text: string): string[] {
  return text.split('\n').map((line) => line.trim());
}

/**
 * Whether the engine may have loaded files that are gone now, although this change did not come to make it: it (or the host) was restarted
 * meanwhile. One that restarts by itself does so for the files that were written, and again for those that are back. A reload by another
 * program leaves no trace in the unit.
 */
async function mayHaveRead(host: Host, intent: Intent, { by, unit }: RestartStep): Promise<boolean> {
  return by !== 'restart' || (await startedSince(host, intent, unit));
}

async function startedSince(host: Host, intent: Intent, unit: Unit): Promise<boolean> {
  const systemd = await host.systemd();
  if (systemd === undefined) return false;
  const { activeState, activeEnterMs } = await systemd.unit(unit);
  return activeState === 'active' && (activeEnterMs > Date.parse(intent.started) || (await bootOf(host)) !== intent.boot);
}
