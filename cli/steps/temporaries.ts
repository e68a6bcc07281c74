import { posix } from 'node:path';
import { errnoOf } from '../errors/index.ts';
import type { Host, HostPath } from '../host/index.ts';

interface Target {
  path: HostPath;
  temporary: HostPath;
}

/** Removes the temporary file that a killed write left. A folder of that name is not kata-sysext's: it stays, and stops nothing. */
export async function dropTemporary(host: Host, path: HostPath): Promise<void> {
  const stat = await host.lstat(path);
  if (stat !== undefined && stat.kind !== 'directory') await host.unlink(path);
}

/**
 * Writes through the planned temporary file, else, where another mount came between it and the target since, through one beside the target.
 * A plan looks at the mounts, so that this is for an undo and a recover. The name has a dot in front and ends with .tmp: neither systemd, nor
 * patterns of containerd, nor Docker read it. CRI-O does read it, for the moment until it is renamed: what it says is what the file will.
 */
export async function viaTemporary(host: Host, target: Target, put: (via: HostPath) => Promise<void>): Promise<void> {
  try {
    await put(target.temporary);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    await dropTemporary(host, target.temporary);
    await put(besideTarget(target));
  }
}

/** Where `viaTemporary` may write. */
export function temporariesOf(target: Target): HostPath[] {
  return [...new Set([target.temporary, besideTarget(target)])];
}

function besideTarget({ path, temporary }: Target): HostPath {
  return posix.join(posix.dirname(path), posix.basename(temporary));
}
