import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, fchmodSync, mkdirSync, openSync } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { holdFolder, withFolders } from './held.ts';
import { cleanEnvironment } from './programs.ts';
import { readable } from './regular.ts';
import type { HostPath, HostView } from './types.ts';

export interface Lock {
  /** Folders that had to be made for it, parents first. */
  made: HostPath[];
  /** Closing the file frees the lock; the kernel does the same when the process dies. */
  release(): Promise<void>;
}

/** How long a held lock is waited for. */
export interface LockWait {
  seconds: number;
  signal?: AbortSignal;
  /** Hears once who holds it, before the wait begins. */
  tell?: (holder: string) => void;
}

const tryEveryMs = 200;
const { O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
/** flock's own status for “another process has it”; any other status is a failure of the program. */
const conflict = 75;

/**
 * Takes the one lock of this host, or throws `lock-held` after `seconds`, `interrupted` as soon as `signal` asks, `foreign-file` where the
 * path is not the program's own regular file (through a link in a tree the text would be written to another file). flock(1) locks the open
 * file description that it inherits, so the lock lives exactly as long as this process (Node has no flock call, and a helper process would
 * outlive this one or not).
 */
export async function takeLock(host: HostView, path: HostPath, verb: string, { seconds, signal, tell }: LockWait): Promise<Lock> {
  const made: HostPath[] = [];
  const until = performance.now() + seconds * 1000;
  let hasReported = false;
  for (;;) {
    // In the loop: the last holder may have purged the folder meanwhile.
    const place = await host.resolve(path);
    const file = await openLockFile(host, place, made).catch((error: unknown) => Promise.reject(orReadOnly(error, host, place)));
    if (file === undefined) continue;
    const locked = await lockDescription(file).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    if (locked && !(await sameFile(file, posix.join(host.root, place)))) {
      await file.close();
      continue;
    }
    if (locked) {
      await file.truncate(0);
      // The text of the holder is only for messages: on a full disk the lock is held without it.
      await file.write(`${JSON.stringify({ pid: process.pid, verb, since: host.now().toISOString() })}\n`).catch(unlessFull);
      return { made, release: () => file.close() };
    }
    const said = await textOf(file);
    await file.close();
    if (performance.now() >= until) throw held(said);
    if (!hasReported) tell?.(holderOf(said).who);
    hasReported = true;
    await sleep(tryEveryMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    if (signal?.aborted === true) throw stopped(said);
  }
}

/**
 * undefined when the folder went away meanwhile. Opens neither a link nor a pipe, which would wait for a writer, and no file with a second
 * hard link: the text would be written to that one too.
 */
async function openLockFile(host: HostView, place: HostPath, made: HostPath[]): Promise<FileHandle | undefined> {
  made.push(...makeFolders(host.root, posix.dirname(place)));
  const real = posix.join(host.root, place);
  try {
    const file = await withFolders(host.root, [posix.dirname(place)], ({ path }) =>
      open(`${path}/${posix.basename(place)}`, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600),
    );
    const stat = await file.stat();
    if (stat.isFile() && stat.nlink <= 1) return file;
    await file.close();
    throw stat.isFile() ? linked(real, stat.nlink) : noFile(real);
  } catch (error) {
    if (['ELOOP', 'EISDIR', 'ENXIO'].includes(errnoOf(error) ?? '')) throw noFile(real);
    return ignoreAbsent(error);
  }
}

function linked(real: string, names: number): KataError {
  return new KataError('foreign-file', {
    subject: real,
    found: `${real} has ${names} hard links`,
    needed: 'a lock file with one hard link: text written to it would change the other files',
    next: `look at the other files and remove the lock file: find / -xdev -samefile ${commandWord(real)}; rm ${commandWord(real)}`,
  });
}

function noFile(real: string): KataError {
  return new KataError('foreign-file', {
    subject: real,
    found: `${real} is no regular file`,
    needed: 'a free place for kata-sysext’s lock file',
    next: `look at it and move it away: ls -l ${commandWord(real)}`,
  });
}

/** Locks an open file until it is closed; false where another process or another handle has it. Throws `host-program-missing`, `failed`. */
export function lockDescription(file: FileHandle): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/flock', ['--nonblock', '--conflict-exit-code', String(conflict), '--exclusive', '3'], {
      env: cleanEnvironment,
      stdio: ['ignore', 'ignore', 'ignore', file.fd],
      detached: true,
    });
    child.on('error', (cause) =>
      reject(
        new KataError('host-program-missing', {
          subject: 'flock',
          found: 'flock does not run on this host',
          needed: '/usr/bin/flock, from util-linux',
          next: 'install util-linux',
          cause,
        }),
      ),
    );
    child.on('close', (code, signal) => {
      if (code === 0 || code === conflict) return resolve(code === 0);
      reject(
        new KataError('failed', {
          subject: 'flock',
          found: `flock ended with ${code ?? signal}`,
          needed: 'exit status 0, or 75 for a held lock',
          next: 'flock --version',
        }),
      );
    });
  });
}

/** The last holder may have removed the file (purge) between open and lock: then no other process sees this lock. */
export async function sameFile(file: FileHandle, real: string): Promise<boolean> {
  const [held, there] = [await file.stat(), await lstat(real).catch(() => undefined)];
  return there !== undefined && there.ino === held.ino && there.dev === held.dev;
}

function orReadOnly(error: unknown, { root }: HostView, place: HostPath): unknown {
  if (errnoOf(error) !== 'EROFS') return error;
  const folder = posix.join(root, posix.dirname(place));
  return new KataError('host-read-only', {
    subject: folder,
    found: `${folder} lies on a file system that is mounted read-only`,
    needed: 'a folder that can be written: a change keeps its journal there',
    next: `findmnt -T ${commandWord(folder)}; if the disk is sound: mount -o remount,rw the mount point that it names`,
    cause: error,
  });
}

/** Makes the missing folders down to `folder`, with their modes whatever the umask is; gives them, parents first. No link is followed. */
function makeFolders(root: string, folder: HostPath): HostPath[] {
  const made: HostPath[] = [];
  const parts = folder.split('/').filter((part) => part !== '');
  for (const [index, part] of parts.entries()) {
    const parent = holdFolder(root, `/${parts.slice(0, index).join('/')}`);
    try {
      const path = `${parent.path}/${part}`;
      if (!makeFolder(path)) continue;
      const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      fchmodSync(fd, 0o755);
      closeSync(fd);
      made.push(`/${parts.slice(0, index + 1).join('/')}`);
    } catch (error) {
      throw readable(error, parent.path, parent.real);
    } finally {
      parent.close();
    }
  }
  return made;
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, 0o755);
    return true;
  } catch (error) {
    // A folder that is there may lie on a read-only file system.
    if (errnoOf(error) === 'EEXIST' || (errnoOf(error) === 'EROFS' && existsSync(path))) return false;
    throw error;
  }
}

function ignoreAbsent(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function unlessFull(error: unknown): void {
  if (!['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')) throw error;
}

async function textOf(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
  return buffer.toString('utf8', 0, bytesRead);
}

function holderOf(said: string): { pid: string | undefined; who: string } {
  const [, pid, verb, since] = /"pid":(\d+),"verb":"([^"]*)","since":"([^"]*)"/.exec(said) ?? [];
  return { pid, who: pid === undefined ? 'another change' : `${verb} (process ${pid}, since ${since})` };
}

function held(said: string): KataError {
  const { pid, who } = holderOf(said);
  return new KataError('lock-held', {
    subject: pid ?? '',
    found: `${who} holds the lock`,
    needed: 'one change at a time',
    next: pid === undefined ? 'wait for it: --wait SECONDS' : `wait for it (--wait SECONDS), or look at it: ps -fp ${pid}`,
  });
}

function stopped(said: string): KataError {
  return new KataError('interrupted', {
    subject: 'lock',
    found: `stopped while ${holderOf(said).who} held the lock; nothing was done`,
    needed: 'no signal',
    next: 'run the command again',
  });
}
