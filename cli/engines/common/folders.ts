import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';

/** Folders that these files need and that are not there yet, parents first. */
export async function missingFolders(host: HostView, paths: readonly HostPath[]): Promise<{ path: HostPath; mode: number }[]> {
  const missing = new Set<HostPath>();
  for (const path of paths) {
    for (let at = posix.dirname(path); at !== '/' && !(await host.lstat(at)); at = posix.dirname(at)) missing.add(at);
  }
  return [...missing].sort((a, b) => a.length - b.length).map((path) => ({ path, mode: 0o755 }));
}
