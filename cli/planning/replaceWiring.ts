import type { FileChange, ForeignWiring, Instance, Wiring, WiringPlan } from '../engines/index.ts';
import { digestOf, type HostView } from '../host/index.ts';
import { etcFolder, type Generation, namesOf, type Replaced, readGenerations, replacedFolder } from '../store/index.ts';
import type { Found, Restoring } from './types.ts';

/**
 * The record with another program's wiring added, so that the planner removes exactly that wiring. The marks of kata-sysext come first: the
 * planner keeps the place of its text by them.
 */
export function recordedWith(recorded: Wiring | undefined, foreignWiring: ForeignWiring, { engine, configPath }: Instance): Wiring {
  const none = { engine, configPath, method: 'of others', handlers: [], marks: [], folders: [], key: digestOf('') };
  const { handlers, marks, ...own } = recorded ?? none;
  const theirs = foreignWiring.handlers.map((name) => ({ name, shim: '', configuration: '' }));
  return { ...own, handlers: [...handlers, ...theirs], marks: [...marks, ...foreignWiring.marks] };
}

/**
 * Writes the new files before it removes the old ones, so that the engine's files define each name at all times. The other program's text is
 * neither shown nor counted as text of kata-sysext.
 */
export function takenOver(plan: WiringPlan, { marks }: ForeignWiring): WiringPlan {
  const texts = new Set(marks.map(({ text }) => text));
  const paths = new Set(marks.map(({ path }) => path));
  const changes = plan.changes.map((change) => ({
    ...change,
    foreign: change.foreign || paths.has(change.path),
    ours: change.ours.filter((text) => !texts.has(text)),
  }));
  return { ...plan, changes: comingFirst(changes) };
}

function comingFirst(changes: FileChange[]): FileChange[] {
  return [...changes.filter(({ after }) => after !== 'absent'), ...changes.filter(({ after }) => after === 'absent')];
}

/** A generation that was adopted replaces another program's wiring at each switch to it, and restores that wiring at each switch away from it. */
export async function othersWiring(
  host: HostView,
  { engine, instance }: Found,
  from: Generation | undefined,
  to: Generation | undefined,
): Promise<{ foreignWiring?: ForeignWiring; restoring?: Restoring }> {
  const replaced = to?.record.replaced;
  if (replaced !== undefined && to !== undefined && (await sameFiles(host, replaced))) {
    const foreignWiring = await engine.findForeignWiring(host, instance, replaced.shim);
    if (foreignWiring.handlers.every((name) => replaced.handlers.includes(name))) return { foreignWiring };
  }
  const restoring = from === undefined ? undefined : await restoringOf(host, from, to);
  return restoring === undefined ? {} : { restoring };
}

async function sameFiles(host: HostView, { files }: Replaced): Promise<boolean> {
  for (const { path, digest } of files) if ((await host.digest(path)) !== digest) return false;
  return files.length > 0;
}

/** Reads the copies of others' files; undefined where nothing is to be put back: their shim is gone, or a file has another content by now. */
async function restoringOf(host: HostView, from: Generation, to: Generation | undefined): Promise<Restoring | undefined> {
  const found = (await readGenerations(host)).findLast(({ record }) => record.replaced !== undefined);
  const replaced = found?.record.replaced;
  if (found === undefined || replaced === undefined || replaced.files.length === 0) return undefined;
  const [before, after] = [namesOf(from.manifest), to === undefined ? [] : namesOf(to.manifest)];
  if (!replaced.handlers.every((name) => before.includes(name) && !after.includes(name))) return undefined;
  if ((await host.stat(replaced.shim)) === undefined) return undefined;
  const changes: FileChange[] = [];
  for (const [index, { path, digest, after: left }] of replaced.files.entries()) {
    const copy = `${replacedFolder(found.manifest.number)}/${index}`;
    const text = await host.readText(copy);
    const now = (await host.digest(path)) ?? 'absent';
    const asWeLeft = now === left || from.record.edited?.[path] === now;
    if (text === undefined || digestOf(text) !== digest || !asWeLeft) return undefined;
    changes.push({ path, before: now, after: { text }, like: copy, foreign: true, ours: [], tmpDir: '' });
  }
  return { changes, handlers: replaced.handlers };
}

/** Removes the wiring of kata-sysext, and puts the other program's wiring back. */
export function puttingBack(plan: WiringPlan, { changes }: Restoring): WiringPlan {
  const back = changes.map((change) => {
    const removal = plan.changes.find(({ path }) => path === change.path);
    return { ...change, ours: removal?.ours ?? [], tmpDir: (removal ?? plan.changes[0])?.tmpDir ?? etcFolder };
  });
  const others = plan.changes.filter(({ path }) => !back.some((change) => change.path === path));
  return { ...plan, changes: comingFirst([...others, ...back]) };
}
