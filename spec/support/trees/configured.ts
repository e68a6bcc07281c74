import { readFileSync, readlinkSync } from 'node:fs';
import type { TreeHost } from './treeHost.ts';

/** The default handler of the sample releases. */
export const handler = 'kata-qemu-runtime-rs';

/** What a pod that starts now would read. */
export function active(host: TreeHost, name = handler): string {
  return readFileSync(host.path(`${readlinkSync(host.path('etc/kata-sysext/current'))}/config/${name}/configuration.toml`), 'utf8');
}
