import { parseJson } from '../documents/index.ts';
import { misfitOf, type Shape } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { generationsFolder, journalFolder, pointer } from './paths.ts';
import { schema } from './types.ts';

/**
 * Reads one of kata-sysext's JSON files; undefined when it is not there. Refuses a newer schema untouched (`journal-newer`), and what has another
 * schema, is no JSON or has another shape (`state-damaged`, naming the place): nothing later has to doubt a type.
 */
export async function readJson<T extends { schema: number }>(host: HostView, path: HostPath, shape: Shape<T>): Promise<T | undefined> {
  const text = await host.readText(path);
  if (text === undefined) return undefined;
  const value = parsed(path, text);
  const said = typeof value === 'object' && value !== null && 'schema' in value ? value.schema : undefined;
  if (typeof said === 'number' && said > schema) {
    throw new KataError('journal-newer', {
      subject: path,
      found: `${path} has schema ${said}`,
      needed: `schema ${schema}, the only one that this program reads`,
      next: 'use the newer kata-sysext that wrote it',
    });
  }
  if (typeof said === 'number' && said !== schema)
    throw damaged(path, `it has schema ${said}, and no version wrote another one than ${schema}`);
  const misfit = misfitOf(shape, value);
  if (misfit !== undefined) throw damaged(path, misfit);
  return value as T;
}

function parsed(path: HostPath, text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw damaged(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The error for a state file that does not say what its place wants. */
export function damaged(path: HostPath, found: string, cause?: unknown): KataError {
  return new KataError('state-damaged', {
    subject: path,
    found: `${path} is damaged: ${found}`,
    needed: 'the file as kata-sysext wrote it',
    next: adviceFor(path),
    cause,
  });
}

/** What to do about a damaged or lost file of a journal entry: the entry holds the only way back, so nothing of it may be moved away. */
export function wayBack(folder: HostPath, name: string): string {
  return `leave ${folder} where it is; put ${name} back from a backup and run kata-sysext recover. Without a backup: compare the host with the copies ${folder}/undo-*, put back by hand what differs, and only then remove the folder`;
}

function adviceFor(path: HostPath): string {
  const [folder, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
  if (path.startsWith(`${journalFolder}/`)) return wayBack(folder, name);
  if (path.startsWith(`${generationsFolder}/`))
    return `put ${path} back from a backup, and run: kata-sysext recover. Without a backup: where readlink ${pointer} names another generation, remove ${folder}. Else nothing tells which of the engine's text is kata-sysext's: grep -rIl kata-sysext /etc; take it out by hand, then rm ${pointer} and remove ${folder}`;
  return `look at it; if it cannot be repaired, move it away (mv ${path} /root/) and run: kata-sysext recover`;
}

/** What every user may read: `status` needs no root. Nothing in these files is secret. */
export const readable = 0o644;

/** The text of a document. Throws where `readJson` would refuse it: what cannot be read again must not be written. */
export function documentText(shape: Shape<unknown>, value: { schema: number }): string {
  const text = `${JSON.stringify(value, null, 1)}\n`;
  const misfit = misfitOf(shape, parseJson(text));
  if (misfit !== undefined) throw new TypeError(misfit);
  return text;
}

/** Writes one of kata-sysext's JSON files durably; others than root cannot read it unless `mode` says so. Throws as `documentText` does. */
export async function writeJson(host: Host, path: HostPath, shape: Shape<unknown>, value: { schema: number }, mode = 0o600): Promise<void> {
  await host.writeFile(path, documentText(shape, value), { mode });
}
