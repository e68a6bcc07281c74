import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { readRegular } from './regular.ts';
import type { HostPath, HostView } from './types.ts';

/** A lock of any kind in /proc/locks: flock, POSIX or open file description (proc_locks(5)). A waiting one has '->' after its number. */
const heldLock = /^\d+:\s+(?:POSIX|FLOCK|OFDLCK)\s.*\s([0-9a-f]+):([0-9a-f]+):(\d+)\s/;

/**
 * True when a process of root holds a lock of any kind on a file of root. Any user may lock a file that he may only read, so that his locks
 * say nothing about the programs whose lock file it is. Processes in other PID namespaces beside ours are not seen.
 */
export async function isLockedByRoot(host: HostView, path: HostPath): Promise<boolean> {
  const file = await lstat(await host.locate(path)).catch(() => undefined);
  if (file?.isFile() !== true || file.uid !== 0 || !(await isLockedAtAll(file))) return false;
  return holdersOf(file);
}

/** True when any process that can be seen holds a lock of any kind on the file: it is not opened for that, and any user may ask. */
export async function hasKernelLock(host: HostView, path: HostPath): Promise<boolean> {
  const file = await lstat(await host.locate(path)).catch(() => undefined);
  return file !== undefined && isLockedAtAll(file);
}

interface Inode {
  dev: number;
  ino: number;
}

async function isLockedAtAll(file: Inode): Promise<boolean> {
  const table = (await readRegular('/proc/locks').catch(() => Buffer.alloc(0))).toString();
  return table.split('\n').some((line) => {
    const found = heldLock.exec(line);
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

/**
 * Whether one of root's processes has the file open with a lock on it. The table's own process number does not tell: that of an open file
 * description is -1, and whoever took a flock for its parent (flock(1) with a number) is gone.
 */
async function holdersOf(file: Inode): Promise<boolean> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // Not by the owner of /proc/PID: a process that may not be dumped shows root there.
    if (await isOfRoot(pid).catch(() => false)) if (await hasLock(pid, file).catch(() => false)) return true;
  }
  return false;
}

async function isOfRoot(pid: string): Promise<boolean> {
  const text = (await readRegular(`/proc/${pid}/status`)).toString();
  // The real one as well: a set-uid program that a user started has the descriptors that he gave it.
  return /^Uid:\s+0\s+0\s/m.test(text);
}

async function hasLock(pid: string, file: Inode): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`;
    // Only what looks like a path is looked at: asking what a pipe or a socket is would cost a call each.
    if (!(await readlink(path).catch(() => '')).startsWith('/')) continue;
    const open = await stat(path).catch(() => undefined);
    if (open === undefined || open.ino !== file.ino || open.dev !== file.dev) continue;
    const info = (await readRegular(posix.join('/proc', pid, 'fdinfo', fd))).toString();
    if (/^lock:\s/m.test(info)) return true;
  }
  return false;
}
