import { bootOf } from '../facts/index.ts';
import type { Host, HostView } from '../host/index.ts';
import type { Unit } from '../systemd/types.ts';
import { readStep, undoStore } from './journal.ts';
import { refreshBack } from './refresh.ts';
import { describe, kindOf, subjectOf } from './steps/index.ts';
import type { Intent, Leftover, Place, RefreshStep, RestartStep, Step, Undo } from './types.ts';
import { bringUp } from './units.ts';

/**
 * Puts back every step that was begun, last first; then PID 1 merges anew if a refresh was begun, and the engine is brought up again if a
 * restart was. Safe to repeat and to interrupt.
 * `restarted` says which units were restarted; `leftovers` what could not be put back.
 */
export async function undo(host: Host, intent: Intent): Promise<{ restarted: string[]; leftovers: Leftover[] }> {
  const leftovers: Leftover[] = [];
  const planned = intent.steps.find((step) => step.kind === 'restart');
  let engine: RestartStep | undefined;
  let merged: RefreshStep | undefined;
  let wired = false;
  for (const [index, step] of [...intent.steps.entries()].reverse()) {
    const entry = await readStep(host, intent.id, index);
    if (entry === undefined) continue;
    if (step.kind === 'restart') engine = step;
    if (step.kind === 'refresh') merged = step;
    if (step.kind === 'file') wired = true;
    // Extensions that this change merged go before our overlay, which the merge took the place of, comes back.
    if (step.kind === 'mount' && merged !== undefined && host.live) {
      leftovers.push(...(await mergeBack(host, merged)));
      merged = undefined;
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
        found: `edited by somebody else during the change; before it had ${'before' in step ? step.before : 'another content'}`,
        next: `compare it with your own records; to start over: kata-sysext recover`,
        retry: false,
      });
    }
    await host.failpoint(`undo/${step.kind}/after`);
    // An earlier step must not go from under one that stands: the engine would name files that are not there.
    if (leftovers.some((leftover) => leftover.retry)) break;
  }
  if (merged !== undefined && host.live) leftovers.push(...(await mergeBack(host, merged)));
  // Somebody else restarted the engine (or the host) meanwhile: it may run with files of ours that are gone now.
  if (engine === undefined && wired && planned !== undefined && (await startedSince(host, intent, planned.unit))) engine = planned;
  if (engine === undefined || !host.live) return { restarted: [], leftovers };
  await host.failpoint('undo/engine/before');
  const problems = await bringUp(host, engine).then(
    (brought) => brought.problems.map((found) => ({ found, retry: false })),
    (error: unknown) => [{ found: `could not bring ${engine.unit} up again: ${String(error)}`, retry: true }],
  );
  for (const problem of problems) leftovers.push({ path: engine.unit, ...problem, next: `systemctl restart ${engine.unit}` });
  return { restarted: [engine.unit], leftovers };
}

/** Files first, engine last: it must find what its configuration names. */
async function mergeBack(host: Host, step: RefreshStep): Promise<Leftover[]> {
  await host.failpoint('undo/merged/before');
  try {
    const lost = await refreshBack(host, step);
    return lost.map((found) => ({ path: step.unit, found, next: `journalctl -u ${step.unit} -n 50; systemd-sysext status`, retry: false }));
  } catch (error) {
    return [
      {
        path: step.unit,
        found: `could not undo “${describe(step)}”: ${String(error)}`,
        next: `journalctl -u ${step.unit} -n 50; kata-sysext recover`,
        retry: true,
      },
    ];
  }
}

async function putBack(host: Host, intent: Intent, index: number, step: Step, found: Undo): Promise<Place> {
  const kind = kindOf(step);
  await kind.revert(host, step, found, undoStore(host, intent.id, index));
  const place = await kind.look(host, step, found);
  return place === 'other' && (await oursGone(host, step, undoStore(host, intent.id, index).path('before'))) ? 'before' : place;
}

/** A foreign file that somebody edited meanwhile is restored as far as it is our business when nothing of ours stands in it. */
async function oursGone(host: HostView, step: Step, saved: string): Promise<boolean> {
  if (step.kind !== 'file' || !step.foreign) return false;
  const now = (await host.readText(step.path)) ?? '';
  const before = new Set(lines((await host.readText(saved)) ?? ''));
  const ours = step.ours.flatMap(lines).filter((line) => line.includes('kata') && !before.has(line));
  // Line by line: an edit inside our block leaves the rest of it behind, and its paths lead nowhere.
  return step.after === 'absent' || !lines(now).some((line) => ours.includes(line));
}

function lines(text: string): string[] {
  return text.split('\n').map((line) => line.trim());
}

async function startedSince(host: Host, intent: Intent, unit: Unit): Promise<boolean> {
  const systemd = await host.systemd();
  if (systemd === undefined) return false;
  const { activeState, activeEnterMs } = await systemd.unit(unit);
  return activeState === 'active' && (activeEnterMs > Date.parse(intent.started) || (await bootOf(host)) !== intent.boot);
}
