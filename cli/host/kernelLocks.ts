import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { KataError } from '../errors/index.ts';
import { readRegular } from './regular.ts';
import type { HostPath, HostView } from './types.ts';

/** The same in /proc/PID/fdinfo/FD; a lease is no lock. */
const heldHere = /^lock:[ \t]*\d+: (?:POSIX|FLOCK|OFDLCK) /m;

/** A lock of any kind in /proc/locks: flock, POSIX or open file description (proc_locks(5)). A waiting one has '->' after its number. */
const heldLock = /^\d+:\s+(?:POSIX|FLOCK|OFDLCK)\s.*\s([0-9a-f]+):([0-9a-f]+):(\d+)\s/;

/**
 * Those of the paths whose file, one of root, a process of root has locked, with a lock of any kind. Any user may lock a file that he may
 * only read, so that his locks say nothing about the programs whose lock file it is; and since he may take as many as he likes,
 * /proc/locks, which all of them make longer, is not asked. Processes in other PID namespaces are not seen.
 */
export async function lockedByRoot(host: HostView, paths: readonly HostPath[]): Promise<HostPath[]> {
  const files: (Inode & { path: HostPath; name: string })[] = [];
  for (const path of paths) {
    const real = await host.locate(path);
    const file = await lstat(real).catch(() => undefined);
    if (file?.isFile() === true && file.uid === 0) files.push({ path, name: posix.basename(real), dev: file.dev, ino: file.ino });
  }
  const held = new Set<HostPath>();
  if (files.length === 0) return [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // Not by the owner of /proc/PID: a process that may not be dumped shows root there.
    if (!(await isOfRoot(pid).catch(() => false))) continue;
    for await (const file of locksOf(pid, files)) held.add(file.path);
  }
  return paths.filter((path) => held.has(path));
}

/**
 * True when any process that can be seen holds a lock of any kind on the file: it is not opened for that, and any user may ask. Where a user
 * made the table of locks too long to be read, root looks at the processes of root; for others it counts as locked.
 */
export async function hasKernelLock(host: HostView, path: HostPath): Promise<boolean> {
  const file = await lstat(await host.locate(path)).catch(() => undefined);
  if (file === undefined) return false;
  try {
    return isInTable((await readRegular('/proc/locks', 'configuration')).toString(), file);
  } catch (error) {
    if (!(error instanceof KataError)) return false;
    return process.getuid?.() !== 0 || (await lockedByRoot(host, [path])).length > 0;
  }
}

interface Inode {
  dev: number;
  ino: number;
}

function isInTable(table: string, file: Inode): boolean {
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

async function isOfRoot(pid: string): Promise<boolean> {
  const text = (await readRegular(`/proc/${pid}/status`)).toString();
  // The real one as well: a set-uid program that a user started has the descriptors that he gave it.
  return /^Uid:\s+0\s+0\s/m.test(text);
}

/**
 * Those of the files that the process has open with a lock on them. The process number in the table is no help: that of an open file
 * description is -1, and a flock(1) that took the lock for its parent has ended.
 */
async function* locksOf<T extends Inode & { name: string }>(pid: string, files: readonly T[]): AsyncGenerator<T, void> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const path = `/proc/${pid}/fd/${fd}`;
    // Only what has the name is looked at: asking what each pipe and socket is would cost a call each.
    const name = posix.basename(await readlink(path).catch(() => ''));
    const named = files.filter((file) => file.name === name);
    if (named.length === 0) continue;
    const open = await stat(path).catch(() => undefined);
    const file = named.find(({ ino, dev }) => open !== undefined && open.ino === ino && open.dev === dev);
    if (file === undefined) continue;
    const info = await readRegular(posix.join('/proc', pid, 'fdinfo', fd)).catch(() => '');
    if (heldHere.test(info.toString())) yield file;
  }
}
