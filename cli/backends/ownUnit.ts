import type { HostPath, HostView } from '../host/index.ts';
import { writtenDigests } from '../store/index.ts';

/** 'edited': made by kata-sysext, with a text that no record has. 'foreign': of another program or user, or no file, as a mask is. */
export type OwnUnitState = 'absent' | 'own' | 'edited' | 'foreign';

/** What became of a unit file of kata-sysext. `isOwn`: by its text alone, for a host whose records do not name it. */
export async function ownUnitState(host: HostView, path: HostPath, isOwn: (text: string) => boolean): Promise<OwnUnitState> {
  const kind = (await host.lstat(path))?.kind;
  if (kind === undefined) return 'absent';
  if (kind !== 'file') return 'foreign';
  const written = await writtenDigests(host, path);
  const digest = await host.digest(path);
  if (digest !== undefined && written.has(digest)) return 'own';
  if (!isOwn((await host.readText(path)) ?? '')) return 'foreign';
  return written.size === 0 ? 'own' : 'edited';
}
