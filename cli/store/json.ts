import { KataError } from '../errors/index.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { journalFolder } from './paths.ts';
import { schema } from './types.ts';

/** Reads one of our JSON files; undefined when it is not there. Refuses a newer schema untouched, and says so when it is damaged. */
export async function readJson<T extends { schema: number }>(host: HostView, path: HostPath, newest = schema): Promise<T | undefined> {
  const text = await host.readText(path);
  if (text === undefined) return undefined;
  let value: T;
  try {
    value = JSON.parse(text) as T;
  } catch (cause) {
    throw new KataError('state-damaged', {
      subject: path,
      found: `${path} is not readable as JSON`,
      needed: 'the file as kata-sysext wrote it',
      next: adviceFor(path),
      cause,
    });
  }
  if (value.schema > newest) {
    throw new KataError('journal-newer', {
      subject: path,
      found: `${path} has schema ${value.schema}`,
      needed: `schema ${newest} or older`,
      next: 'use the newer kata-sysext that wrote it',
    });
  }
  return value;
}

/** What to do about a damaged or lost file of a journal entry: the entry holds the only way back, so nothing of it may be moved away. */
export function wayBack(folder: HostPath, name: string): string {
  return `leave ${folder} where it is; put ${name} back from a backup and run kata-sysext recover. Without a backup: compare the host with the copies ${folder}/undo-*, put back by hand what differs, and only then remove the folder`;
}

function adviceFor(path: HostPath): string {
  const [folder, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
  if (path.startsWith(`${journalFolder}/`)) return wayBack(folder, name);
  return `look at it; if it cannot be mended, move it away (mv ${path} /root/) and run: kata-sysext recover`;
}

/** What every user may read: `status` needs no root. Nothing in these files is secret. */
export const readable = 0o644;

/** Writes one of our JSON files durably; others than root cannot read it unless `mode` says so. */
export async function writeJson(host: Host, path: HostPath, value: { schema: number }, mode = 0o600): Promise<void> {
  await host.writeFile(path, `${JSON.stringify(value, null, 1)}\n`, { mode });
}
