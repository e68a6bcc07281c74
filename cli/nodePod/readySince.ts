import type { HostPath, HostView } from '../host/index.ts';

/** Where the step `ready` leaves what the cluster says, for the step `change`: a volume that both mount. */
export const readySinceFile: HostPath = '/run/node-ready/since';

/** The end of the years that have four digits. */
const latest = Date.UTC(10_000, 0);

/**
 * Since when the node is ready: by the word of the cluster where the pod has asked for it, and at the earliest since its boot (btime of
 * /proc/stat, proc_stat(5)). A text as of `Date.toISOString`; undefined where nothing is known.
 */
export async function readySince(host: HostView): Promise<string | undefined> {
  const said = Date.parse((await host.readText(readySinceFile, 'request').catch(() => undefined))?.trim() ?? '');
  const booted = 1000 * Number(/^btime (\d+)$/m.exec((await host.readText('/proc/stat').catch(() => undefined)) ?? '')?.[1]);
  const known = [said, booted].filter((ms) => ms < latest);
  return known.length === 0 ? undefined : new Date(Math.max(...known)).toISOString();
}
