import type { Step } from '../backends/stepKinds.ts';
import { bootOf } from '../facts/index.ts';
import type { Host, HostView } from '../host/index.ts';
import { isUnitSetting } from '../steps/reread.ts';
import type { Leftover, Place, RestartStep, Undo } from '../steps/types.ts';
import { bringUp, restartedBy } from '../steps/units.ts';
import type { Unit } from '../systemd/types.ts';
import { readStep, undoStore } from './journal.ts';
import { describe, kindOf, subjectOf } from './stepKinds.ts';
import type { Intent } from './types.ts';

/**
 * Puts back every step that was begun, last first; then what waits for that is finished (a refresh of extensions), and the engine is brought
 * up again if a restart was. Safe to repeat and to interrupt.
 * `restarted` says which units were restarted; `leftovers` what could not be put back.
 */
export async function undo(host: Host, intent: Intent): Promise<{ restarted: string[]; leftovers: Leftover[] }> {
  const leftovers: Leftover[] = [];
  const planned = intent.steps.find((step) => step.kind === 'restart');
  let engine: RestartStep | undefined;
  /** Not put back by itself: it is finished when the steps before it are back. */
  const waiting: Step[] = [];
  let wired = false;
  let broughtUp = false;
  for (const [index, step] of [...intent.steps.entries()].reverse()) {
    const entry = await readStep(host, intent.id, index);
    // PID 1 may have read a file before the step that makes it do so: it booted meanwhile.
    if (entry !== undefined || step.kind === 'reread') waiting.push(step);
    if (entry === undefined) continue;
    if (step.kind === 'restart') engine = step;
    if (step.kind === 'file') wired = true;
    if (kindOf(step).waitsForOthers === true) leftovers.push(...(await finish(host, waiting)));
    // The engine reads what is there without the change that this one came before; only then that goes as well.
    if (step.kind === 'file' && step.settles === 'first' && host.live && !broughtUp) {
      engine ??= wired && planned !== undefined && (await mayHaveRead(host, intent, planned)) ? planned : undefined;
      if (engine !== undefined) leftovers.push(...(await bringUpAgain(host, engine)));
      broughtUp = engine !== undefined;
      // An engine that was not reached has not forgotten the handlers, and would not by the file of before.
      if (leftovers.some((leftover) => leftover.retry)) break;
    }
    await host.failpoint(`undo/${step.kind}/before`);
    const place = await putBack(host, intent, index, step, entry.undo).catch((error: unknown) => {
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
        next: `compare it with your own records; to start over: kata-sysext recover`,
        retry: false,
      });
    }
    await host.failpoint(`undo/${step.kind}/after`);
    // Before the files go that the unit named, and the engine starts: PID 1 would start it as it was.
    if (isLastSetting(intent, index, step)) leftovers.push(...(await finish(host, takeRereads(waiting))));
    // While a later step is not undone, the earlier ones stay: otherwise the engine would name files that are gone.
    if (leftovers.some((leftover) => leftover.retry)) break;
  }
  const rereads = takeRereads(waiting);
  leftovers.push(...(await finish(host, waiting)));
  leftovers.push(...(wired ? await finish(host, rereads) : []));
  if (leftovers.some(({ retry }) => retry) && intent.steps.some(({ kind }) => kind === 'reread')) return { restarted: [], leftovers };
  if (broughtUp && engine !== undefined) return { restarted: restartedBy(engine), leftovers };
  if (engine === undefined && wired && planned !== undefined && (await mayHaveRead(host, intent, planned))) engine = planned;
  if (engine === undefined || !host.live) return { restarted: [], leftovers };
  leftovers.push(...(await bringUpAgain(host, engine)));
  return { restarted: restartedBy(engine), leftovers };
}

async function bringUpAgain(host: Host, engine: RestartStep): Promise<Leftover[]> {
  await host.failpoint('undo/engine/before');
  const problems = await bringUp(host, engine).then(
    (brought) => brought.problems.map((found) => ({ found, retry: false })),
    (error: unknown) => [{ found: `could not bring ${engine.unit} up again: ${String(error)}`, retry: true }],
  );
  return problems.map((problem) => ({ path: engine.unit, ...problem, next: `systemctl restart ${engine.unit}` }));
}

/** The last of an engine's drop-ins that is put back: no earlier step has one. */
function isLastSetting({ steps }: Intent, index: number, step: Step): boolean {
  const isSetting = (each: Step) => each.kind === 'file' && isUnitSetting(each.path);
  return isSetting(step) && !steps.slice(0, index).some(isSetting);
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
