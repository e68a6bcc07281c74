import { readFile, stat } from 'node:fs/promises';
import type { HostPath, HostView } from './types.ts';

/**
 * True when any process that this one can see holds a lock of any kind on `path`: flock, POSIX or open file description (proc_locks(5)).
 * ostree and dpkg take the latter two, which flock(1) does not notice.
 */
export async function hasKernelLock(host: HostView, path: HostPath): Promise<boolean> {
  const file = await stat(await host.locate(path)).catch(() => undefined);
  if (file === undefined) return false;
  const table = await readFile('/proc/locks', 'utf8').catch(() => '');
  return table.split('\n').some((line) => {
    // A waiting lock has '->' after its number; it is not held.
    const found = /^\d+:\s+(?:POSIX|FLOCK|OFDLCK)\s.*\s([0-9a-f]+):([0-9a-f]+):(\d+)\s/.exec(line);
    if (found === null || Number(found[3]) !== file.ino) return false;
    const [major, minor] = [Number.parseInt(found[1]!, 16), Number.parseInt(found[2]!, 16)];
    // btrfs and overlayfs show another device here than stat does, always with major 0.
    return major === 0 || deviceOf(major, minor) === file.dev;
  });
}

/** As glibc's makedev(3) packs them into st_dev. */
function deviceOf(major: number, minor: number): number {
  return (major & 0xfff) * 256 + (minor & 0xff) + (minor & 0xfff00) * 4096;
}
