import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, KataError } from '../errors/index.ts';
import { cleanEnvironment } from './programs.ts';
import type { HostPath, HostView } from './types.ts';

export interface Lock {
  /** Folders that had to be made for it, parents first. */
  made: HostPath[];
  /** Closing the file frees the lock; the kernel does the same when the process dies. */
  release(): Promise<void>;
}

const tryEveryMs = 200;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
/** flock's own status for “somebody else has it”, told from any failure of the program. */
const conflict = 75;

/**
 * Takes the one lock of this host, or throws `lock-held` after `waitSeconds`, `interrupted` as soon as `signal` asks, `foreign-file` where
 * no regular file of ours is (a link in a tree would lead to another file, which we would write to). flock(1) locks the open file description that it inherits
 * from us, so the lock lives exactly as long as this process (Node has no flock call, and no helper process can outlive us).
 */
export async function takeLock(host: HostView, path: HostPath, verb: string, waitSeconds: number, signal?: AbortSignal): Promise<Lock> {
  const real = await host.locate(path);
  const made: HostPath[] = [];
  const until = performance.now() + waitSeconds * 1000;
  for (;;) {
    // In the loop: whoever held it may have purged the folder meanwhile.
    made.push(...(await makeFolders(host, posix.dirname(real))));
    const file = await openRegular(real);
    if (file === undefined) continue;
    const locked = await lockDescription(file).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    if (locked && !(await sameFile(file, real))) {
      await file.close();
      continue;
    }
    if (locked) {
      await file.truncate(0);
      // Who holds it is for messages: a full disk keeps nobody from holding it.
      await file.write(`${JSON.stringify({ pid: process.pid, verb, since: host.now().toISOString() })}\n`).catch(unlessFull);
      return { made, release: () => file.close() };
    }
    const said = await textOf(file);
    await file.close();
    if (performance.now() >= until) throw held(said);
    await sleep(tryEveryMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    if (signal?.aborted === true) throw stopped(said);
  }
}

/** True when another process holds a flock on `path`; false when nobody does or the file is not there. */
export async function isLocked(host: HostView, path: HostPath): Promise<boolean> {
  const file = await open(await host.locate(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return false;
  try {
    return !(await lockDescription(file, ['--shared']));
  } finally {
    await file.close();
  }
}

/** undefined when the folder went away meanwhile. Opens neither through a link nor a pipe that would make us wait. */
async function openRegular(real: string): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    file = await open(real, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    if (['ELOOP', 'EISDIR', 'ENXIO'].includes(errnoOf(error) ?? '')) throw noFile(real);
    return ignoreAbsent(error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw noFile(real);
}

function noFile(real: string): KataError {
  return new KataError('foreign-file', {
    subject: real,
    found: `${real} is no regular file`,
    needed: 'a free place for our lock file',
    next: `look at it and move it away: ls -l ${real}`,
  });
}

function lockDescription(file: FileHandle, how: string[] = ['--exclusive']): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/flock', ['--nonblock', '--conflict-exit-code', String(conflict), ...how, '3'], {
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

/** The last holder may have removed the file (purge) between our open and our lock: then we hold a lock nobody else will see. */
async function sameFile(file: FileHandle, real: string): Promise<boolean> {
  const [ours, there] = [await file.stat(), await lstat(real).catch(() => undefined)];
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}

/** The missing folders down to `real`, with their modes whatever the umask is. */
async function makeFolders(host: HostView, real: string): Promise<HostPath[]> {
  const first = await mkdir(real, { recursive: true, mode: 0o755 });
  const made: HostPath[] = [];
  for (let at = real; first !== undefined && at.length >= first.length; at = posix.dirname(at)) {
    await chmod(at, 0o755);
    made.unshift(`/${posix.relative(host.root, at)}`);
  }
  return made;
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
