import { posix } from 'node:path';
import type { Host, HostPath } from '../host/index.ts';
import type { Undo } from './types.ts';

/** The folder of `path` as it is before a step: names and time. The time says to the engines' planners that “a file came or went”. */
export async function noteParent(host: Host, path: HostPath): Promise<Undo> {
  const folder = posix.dirname(path);
  const stat = await host.stat(folder);
  return stat === undefined ? {} : { parentMs: stat.modifiedMs, parentNames: await host.readdir(folder) };
}

/**
 * Gives the folder its time back, or the undone edit would count as a pending one and refuse the next change. Where other names are in it
 * than before, another program changed it too, and that must show.
 */
export async function restoreParent(host: Host, path: HostPath, undo: Undo): Promise<void> {
  const { parentMs, parentNames } = undo;
  if (typeof parentMs !== 'number' || !Array.isArray(parentNames)) return;
  const folder = await host.realpath(posix.dirname(path));
  const now = await host.stat(folder);
  if (now === undefined || now.modifiedMs <= parentMs) return;
  if (JSON.stringify(await host.readdir(folder)) === JSON.stringify(parentNames)) await host.setModified(folder, parentMs);
}
