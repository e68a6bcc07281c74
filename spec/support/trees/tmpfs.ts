import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync } from 'node:fs';
import type { TreeHost } from './treeHost.ts';

/** A tmpfs over a folder of the tree, with what was there; gives its path. */
export function onTmpfs(host: TreeHost, folder: string, sizeBytes: number, options = ''): string {
  const path = host.path(folder);
  const keep = `${host.root}.keep`;
  execFileSync('cp', ['-a', path, keep]);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=755${options}`, 'kata-sysext-spec', path]);
  execFileSync('cp', ['-a', `${keep}/.`, path]);
  rmSync(keep, { recursive: true });
  return path;
}

export function unmount(path: string): void {
  execFileSync('umount', ['--lazy', path]);
}

export function freeOf(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
