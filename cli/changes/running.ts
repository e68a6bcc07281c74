import { posix } from 'node:path';
import type { HostView } from '../host/index.ts';

/** Payload folders that programs are running from, with how many processes. */
export async function runningPayloads(host: HostView): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (!host.live) return found;
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const program = await host.readlink(`/proc/${pid}/exe`).catch(() => undefined);
    // One that stepped aside for its mended successor still counts as the payload that it is.
    const at = /^(.*\/kata-sysext\/tree\/[0-9a-f]{64})(?:\.damaged)?\//.exec(program ?? '')?.[1];
    if (at === undefined) continue;
    // /usr/local may be a link (→ /var/usrlocal): count under the name that the manifests use as well.
    for (const name of new Set([at, posix.join('/usr/local', at.replace(/^\/var\/usrlocal/, ''))]))
      found.set(name, (found.get(name) ?? 0) + 1);
  }
  return found;
}
