import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * One line a path below a folder, by nothing but Node: mode, owner, then digest, target or kind. `leaveOut`: paths from there whose lines,
 * and those below them, are left out. `times`: with the time of each file.
 */
export function listing(root: string, leaveOut: string[] = [], { times = false } = {}): string[] {
  const isOut = (path: string) => leaveOut.some((out) => path === out || path.startsWith(`${out}/`));
  return pathsBelow(root)
    .filter((path) => !isOut(path))
    .map((path) => {
      const stat = lstatSync(join(root, path));
      const time = times && stat.isFile() ? ` ${stat.mtimeMs}` : '';
      return `${path} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${contentOf(join(root, path))}${time}`;
    })
    .sort();
}

/** Links are not followed; readdir's own recursion would. */
function pathsBelow(root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    return entry.isDirectory() ? [path, ...pathsBelow(root, path)] : [path];
  });
}

function contentOf(path: string): string {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
  if (!stat.isFile()) return stat.isDirectory() ? 'folder' : 'other';
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
