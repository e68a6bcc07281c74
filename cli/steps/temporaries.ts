import type { Host, HostPath } from '../host/index.ts';

/** Removes what a killed write left in the place of its temporary file. A folder there is none of ours: it stays, and stops nothing. */
export async function dropTemporary(host: Host, path: HostPath): Promise<void> {
  const stat = await host.lstat(path);
  if (stat !== undefined && stat.kind !== 'directory') await host.unlink(path);
}
