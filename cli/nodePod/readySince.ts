import { lstat } from 'node:fs/promises';
import type { HostPath, HostView } from '../host/index.ts';
import { awayMs } from '../requests/index.ts';

const folder: HostPath = '/run/node-ready';

/** Where the step `ready` leaves what the cluster says, for the step `change`: a volume that both mount. */
export const readySinceFile: HostPath = `${folder}/since`;

/**
 * Since when the node is ready: by the word of the cluster where the pod has asked for it, and at the earliest since its boot (btime of
 * /proc/stat, proc_stat(5)). A text as of `Date.toISOString`. undefined where nothing is known, and where it was ready for ten minutes when the
 * kubelet took the pod up: that is when it made the volume, before it fetched an image.
 */
export async function readySince(host: HostView): Promise<string | undefined> {
  const now = host.now().getTime();
  const said = Date.parse((await host.readText(readySinceFile, 'request').catch(() => undefined))?.trim() ?? '');
  const booted = 1000 * Number(/^btime (\d+)$/m.exec((await host.readText('/proc/stat').catch(() => undefined)) ?? '')?.[1]);
  const known = [said, booted].filter((ms) => ms <= now);
  if (known.length === 0) return undefined;
  const since = Math.max(...known);
  const made = await birthOf(await host.locate(folder));
  return (made ?? now) - since > awayMs ? undefined : new Date(since).toISOString();
}

/** Of a folder; undefined where its file system does not keep it. */
async function birthOf(path: string): Promise<number | undefined> {
  const { birthtimeMs = 0 } = await lstat(path).catch(() => ({ birthtimeMs: 0 }));
  return birthtimeMs > 0 ? birthtimeMs : undefined;
}
