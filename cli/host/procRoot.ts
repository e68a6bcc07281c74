import { readlink, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { errnoOf } from '../errors/index.ts';
import { digestOfFile, readRegular } from './regular.ts';
import { resolveInside } from './rooted.ts';
import type { Digest, HostPath, HostView } from './types.ts';

/**
 * Files as another process has them. The kernel follows /proc's own links (root, exe), which are no paths: a mount that only that process
 * sees, or a program whose file is gone, is reached through them and through nothing else. Only of the running machine, also while it boots.
 */
const absent = ['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM'];

/** The text of a file in the mount namespace of a process (without root: in that of this process); undefined when it is not there. */
export function textSeenBy(host: HostView, pid: number, path: HostPath): Promise<string | undefined> {
  return orAbsent(host, async () => (await readRegular(await seenAt(host, pid, path), 'state')).toString());
}

/** @param read digests by file: one that several processes have is read once */
export function digestSeenBy(host: HostView, pid: number, path: HostPath, read = new Map<string, Digest>()): Promise<Digest | undefined> {
  return orAbsent(host, async () => {
    const real = await seenAt(host, pid, path);
    const { dev, ino, size, mtimeMs } = await stat(real);
    const file = [dev, ino, size, mtimeMs].join(':');
    const digest = read.get(file) ?? (await digestOfFile(real, {}));
    read.set(file, digest);
    return digest;
  });
}

/** Whether the files of a process can be looked at: not of one that has ended, nor where a policy of the kernel forbids it. */
export async function canLookAt(pid: number): Promise<boolean> {
  if (process.getuid?.() !== 0) return true;
  return await readlink(`/proc/${pid}/root`).then(
    () => true,
    () => false,
  );
}

/**
 * Which file of root a process runs, whatever became of its path: equal texts are the same file. Any user may run a file of his own, as
 * large as he likes and under any name: such a file gives undefined, so that no caller reads it.
 */
export function programFile(host: HostView, pid: number): Promise<string | undefined> {
  return orAbsent(host, async () => {
    const { dev, ino, size, mtimeMs, uid } = await stat(`/proc/${pid}/exe`);
    return uid === 0 ? [dev, ino, size, mtimeMs].join(':') : undefined;
  });
}

export function programDigest(host: HostView, pid: number): Promise<Digest | undefined> {
  return orAbsent(host, () => digestOfFile(`/proc/${pid}/exe`));
}

/** The kernel follows a link with an absolute target from the root of who asks, not from the root of that process. */
async function seenAt({ root }: HostView, pid: number, path: HostPath): Promise<string> {
  const own = process.getuid?.() === 0 ? posix.join(`/proc/${pid}/root`, root) : root;
  return posix.join(own, await resolveInside(own, path, true));
}

async function orAbsent<T>(host: HostView, work: () => Promise<T | undefined>): Promise<T | undefined> {
  if (!host.booted) return undefined;
  try {
    return await work();
  } catch (error) {
    if (absent.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
