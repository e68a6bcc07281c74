import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, stat } from 'node:fs/promises';
import { hasKernelLock } from './kernelLocks.ts';
import type { HostPath, HostView } from './types.ts';

/** Who holds the lock, as far as this user can see it. Times are RFC 3339. */
export interface LockHolder {
  verb?: string;
  /** It only plans a change. Left out where it makes one. */
  dryRun?: true | undefined;
  pid?: number;
  since?: string;
}

/** The mark behind the verb in the lock file as long as only a plan is made. */
export const dryRunMark = '--dry-run';

const maxBytes = 4096;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Who holds the lock at `path` now; undefined when it is free. Takes no lock, not even for a moment, and starts no program: a change that
 * begins meanwhile must not fail because of a question. The process that the file names counts as long as it has the file open, so that a
 * number which another process got since does not; /proc/locks tells the rest, also to users who may read neither.
 */
export async function lockHolder(host: HostView, path: HostPath): Promise<LockHolder | undefined> {
  const real = await host.locate(path);
  const file = await lstat(real).catch(() => undefined);
  if (file?.isFile() !== true) return undefined;
  const text = await textOf(real);
  const { pid, ...said } = saidIn(text ?? '');
  const seen = pid === undefined ? false : await hasOpen(pid, file);
  if (pid !== undefined && seen === true) return { ...said, pid };
  const locked = await hasKernelLock(host, path);
  if (pid !== undefined && seen === undefined && locked) return { ...said, pid };
  if (!locked && text !== undefined) return undefined;
  const unit = host.live ? await ofUnit() : undefined;
  // A number of another namespace of processes says nothing here.
  return unit ?? (locked ? said : undefined);
}

const said = new RegExp(`^\\{"pid":(\\d{1,10}),"verb":"([a-z]{1,20})( ${dryRunMark})?","since":"([\\dT:.Z+-]{20,30})"\\}`);

/** What the holder wrote; undefined where it cannot be read. */
async function textOf(real: string): Promise<string | undefined> {
  const file = await open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

function saidIn(text: string): LockHolder {
  const [, pid, verb, dry, since] = said.exec(text) ?? [];
  return pid === undefined ? {} : { verb: verb!, dryRun: dry === undefined ? undefined : true, pid: Number(pid), since: since! };
}

/** Whether a process has the file open; undefined where that cannot be seen. */
async function hasOpen(pid: number, file: { ino: number; dev: number }): Promise<boolean | undefined> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? [] : undefined));
  if (names === undefined) return undefined;
  const all = await Promise.all(names.map((name) => stat(`${folder}/${name}`).catch(() => undefined)));
  return all.some((each) => each !== undefined && each.ino === file.ino && each.dev === file.dev);
}

/** Unit of a change on the live host, as `runDetached` names it, in a line of /proc/PID/cgroup. */
const unitOfChange = /:\/system\.slice\/kata-sysext-([a-z]{1,20})-\d{1,10}-(\d{13})\.service$/m;

/** For users who cannot read the lock file: a change on the live host runs in a unit of its own, whose name has the verb and the time. */
async function ofUnit(): Promise<LockHolder | undefined> {
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    const [, verb, since] = unitOfChange.exec(groups) ?? [];
    if (verb !== undefined) return { verb, pid: Number(pid), since: new Date(Number(since)).toISOString() };
  }
  return undefined;
}
