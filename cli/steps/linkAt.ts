import type { HostPath, HostView } from '../host/index.ts';

/** Where a link points: 'absent' where nothing is there, undefined where there is something else than a link. */
export async function linkAt(host: HostView, path: HostPath): Promise<string | 'absent' | undefined> {
  return (await host.lstat(path)) === undefined ? 'absent' : await host.readlink(path);
}
