import type { Host, HostPath } from '../host/index.ts';

/** Removes the temporary file that a killed write left. A folder of that name is not kata-sysext's: it stays, and stops nothing. */
export async function dropTemporary(host: Host, path: HostPath): Promise<void> {
  const stat = await host.lstat(path);
  if (stat !== undefined && stat.kind !== 'directory') await host.unlink(path);
}
