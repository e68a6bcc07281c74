import { exactOptional, strictObject } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { absolutePath, amount, misfitOf, type Shape, text } from '../documents/shapes.ts';
import { errnoOf } from '../errors/index.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { isRun } from './sandbox.ts';

/** Below /run, which is root's: what a pod was started for, as long as it may be there. */
const base = '/run/kata-sysext';
export const folder: HostPath = `${base}/pods`;
const maxNotes = 1000;
const maxNoteBytes = 4096;
const maxTries = 5;
/** A note is written within milliseconds. */
const halfWrittenMs = 60_000;

/** Written before a pod is asked for, so that a later command can remove it. */
export interface PodNote {
  run: string;
  handler: string;
  socket: HostPath;
  /** Number and start of the process that works on it. */
  owner: { pid: number; started: string };
  /** ms since the epoch: after it the pod counts as left, even if its owner lives. */
  untilMs: number;
}

const shape: Shape<Omit<PodNote, 'run'>> = strictObject({
  handler: text,
  socket: absolutePath,
  owner: strictObject({ pid: amount, started: text }),
  untilMs: amount,
  run: exactOptional(text),
});

export async function writeNote(host: Host, note: PodNote): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await putNote(host, note);
    } catch (error) {
      // Another proof makes the folder at the same time, or its end takes the empty folder away.
      if (tries === maxTries || !['ENOENT', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}

async function putNote(host: Host, { run, ...note }: PodNote): Promise<void> {
  for (const path of [base, folder]) if ((await host.lstat(path)) === undefined) await host.mkdir(path, 0o700);
  await host.writeFile(noteFile(run), JSON.stringify(note), { mode: 0o600 });
}

/** undefined where there is none, or none that can be read. */
export async function readNote(host: HostView, run: string): Promise<PodNote | undefined> {
  const json = await host.readText(noteFile(run)).catch(() => undefined);
  if (json === undefined) return undefined;
  try {
    const note = parseJson(json, { maxBytes: maxNoteBytes });
    return misfitOf(shape, note) === undefined ? { ...(note as Omit<PodNote, 'run'>), run } : undefined;
  } catch {
    return undefined;
  }
}

export async function readNotes(host: HostView): Promise<PodNote[]> {
  const names = (await host.readdir(folder).catch(() => [])).slice(0, maxNotes);
  const runs = names.flatMap((name) => (name.endsWith('.json') && isRun(name.slice(0, -5)) ? [name.slice(0, -5)] : []));
  const notes = await Promise.all(runs.map((run) => readNote(host, run)));
  return notes.filter((note) => note !== undefined);
}

/** What a killed command left of a note that it was at: a temporary file. Without a note there was no pod. */
export async function removeHalfNotes(host: Host): Promise<void> {
  const names = (await host.readdir(folder).catch(() => [])).slice(0, maxNotes);
  for (const name of names.filter((each) => !each.endsWith('.json'))) {
    const stat = await host.lstat(`${folder}/${name}`);
    const isOld = stat?.kind === 'file' && host.now().getTime() - stat.modifiedMs > halfWrittenMs;
    if (isOld) await host.unlink(`${folder}/${name}`).catch(() => undefined);
  }
  if (names.length > 0) await host.rmdir(folder).catch(() => undefined);
}

export async function removeNote(host: Host, run: string): Promise<void> {
  await host.unlink(noteFile(run)).catch(() => undefined);
  // Another pod may have its note there.
  await host.rmdir(folder).catch(() => undefined);
}

/** Start of a process, in the kernel's ticks: with the number it names one process for good. undefined where there is none. */
export async function startOf(host: HostView, pid: number): Promise<string | undefined> {
  const stat = await host.readText(`/proc/${pid}/stat`).catch(() => undefined);
  // The name of the program, in brackets, may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return fields[0] === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

/** Whether a pod has been left: its owner has ended, or is too late. */
export async function isLeft(host: HostView, { owner, untilMs }: PodNote): Promise<boolean> {
  return host.now().getTime() > untilMs || (await startOf(host, owner.pid)) !== owner.started;
}

function noteFile(run: string): HostPath {
  return `${folder}/${run}.json`;
}
