import { statSync } from 'node:fs';
import { posix } from 'node:path';
import { holdFolder, swapped } from './held.ts';
import type { HostPath, HostView } from './types.ts';

/**
 * For programs that take a path and follow what they find there (setfiles, mkfs): the folders of these paths are held while the work runs,
 * and their names mean the same folders before and after. Throws `path-escapes`.
 */
export async function steady<T>(view: HostView, paths: HostPath[], work: (...real: string[]) => Promise<T>): Promise<T> {
  const places = await Promise.all(paths.map((path) => view.resolve(path)));
  const folders = [...new Set(places.map((place) => posix.dirname(place)))].map((folder) => ({
    folder,
    held: holdFolder(view.root, folder),
  }));
  try {
    const done = await work(...places.map((place) => posix.join(view.root, place)));
    for (const { folder, held } of folders) if (!isSame(held.path, reached(view.root, folder))) throw swapped(held.real);
    return done;
  } finally {
    for (const { held } of folders) held.close();
  }
}

/** The folder that has the name now, by dev and inode; undefined where a link is on the way, or nothing there. */
function reached(root: string, folder: HostPath): string | undefined {
  try {
    const now = holdFolder(root, folder);
    const seen = identity(now.path);
    now.close();
    return seen;
  } catch {
    return undefined;
  }
}

function isSame(held: string, now: string | undefined): boolean {
  return identity(held) === now;
}

function identity(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}
