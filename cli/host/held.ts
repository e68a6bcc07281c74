import { closeSync, constants, existsSync, lstatSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { noProc, O_PATH, readable } from './regular.ts';
import type { HeldFolder, HostPath } from './types.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/**
 * Opens the folder `path` below `root`, one component after the other, and follows no link: `path` is resolved already, so that a link on
 * the way came since. Nothing can block: a descriptor with O_PATH opens nothing. Throws ENOENT and ENOTDIR as Node does, and `path-escapes`.
 */
export function holdFolder(root: string, path: HostPath): HeldFolder {
  const real = posix.join(root, path);
  let fd = openSync(root, O_PATH | O_DIRECTORY);
  try {
    if (!existsSync(`/proc/self/fd/${fd}`)) throw noProc(real);
    for (const part of path.split('/').filter((each) => each !== '')) {
      const next = openPart(fd, part, real);
      closeSync(fd);
      fd = next;
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return heldAt(fd, real);
}

function openPart(fd: number, part: string, real: string): number {
  const at = `/proc/self/fd/${fd}/${part}`;
  try {
    return openSync(at, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR' && lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true) throw swapped(real);
    throw readable(error, at, real);
  }
}

function heldAt(fd: number, real: string): HeldFolder {
  const path = `/proc/self/fd/${fd}`;
  return { fd, path, real, sync: () => syncAt(path, O_DIRECTORY), close: () => closeSync(fd) };
}

/** Syncs a file or folder by its path through a held folder; a link there is not followed. */
export async function syncAt(path: string, flags = O_NOFOLLOW): Promise<void> {
  const file = await open(path, O_RDONLY | flags);
  await file.sync().finally(() => file.close());
}

/** A folder that is open for reading, by a path through a held one; a link there is not followed. */
export function openFolderAt(path: string): Promise<FileHandle> {
  return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** Does the work with the folders held; what Node says of them names them as people know them. */
export async function withFolders<T>(
  root: string,
  paths: HostPath[],
  work: (...folders: [HeldFolder, ...HeldFolder[]]) => Promise<T>,
): Promise<T> {
  const held: HeldFolder[] = [];
  try {
    for (const path of paths) held.push(holdFolder(root, path));
    return await work(...(held as [HeldFolder, ...HeldFolder[]]));
  } catch (error) {
    throw held.reduce((shown: unknown, { path, real }) => readable(shown, path, real), error);
  } finally {
    for (const folder of held) folder.close();
  }
}

/** The folder was another one a moment ago. */
export function swapped(real: string): KataError {
  return new KataError('path-escapes', {
    subject: real,
    found: `a folder on the way to ${real} was replaced by a link, or by another folder, while the program worked in it`,
    needed: 'folders that only root changes',
    next: `see which users may write there: namei -l ${commandWord(real)}`,
  });
}
