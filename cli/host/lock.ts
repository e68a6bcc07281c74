import { spawn } from 'node:child_process';
import { chmod, type FileHandle, mkdir, open, readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { errnoOf, KataError } from '../errors/index.ts';
import type { HostPath, HostView } from './types.ts';

export interface Lock {
  /** Folders that had to be made for it, parents first. */
  made: HostPath[];
  /** Closing the file frees the lock; the kernel does the same when the process dies. */
  release(): Promise<void>;
}

const tryEveryMs = 200;

/**
 * Takes the one lock of this host, or throws `lock-held` after `waitSeconds`. flock(1) locks the open file description that it inherits
 * from us, so the lock lives exactly as long as this process (Node has no flock call, and no helper process can outlive us).
 */
export async function takeLock(host: HostView, path: HostPath, verb: string, waitSeconds: number): Promise<Lock> {
  const real = await host.locate(path);
  const made: HostPath[] = [];
  const until = Date.now() + waitSeconds * 1000;
  for (;;) {
    // In the loop: whoever held it may have purged the folder meanwhile.
    made.push(...(await makeFolders(host, posix.dirname(real))));
    const file = await open(real, 'a+', 0o600).catch(ignoreAbsent);
    if (file === undefined) continue;
    const locked = await lockDescription(file);
    if (locked && !(await sameFile(file, real))) {
      await file.close();
      continue;
    }
    if (locked) {
      await file.truncate(0);
      await file.write(`${JSON.stringify({ pid: process.pid, verb, since: host.now().toISOString() })}\n`);
      return { made, release: () => file.close() };
    }
    await file.close();
    if (Date.now() >= until) throw await held(real);
    await new Promise((resolve) => setTimeout(resolve, tryEveryMs));
  }
}

/** True when another process holds a flock on `path`; false when nobody does or the file is not there. */
export async function isLocked(host: HostView, path: HostPath): Promise<boolean> {
  const file = await open(await host.locate(path), 'r').catch(() => undefined);
  if (file === undefined) return false;
  try {
    return !(await lockDescription(file, ['--shared']));
  } finally {
    await file.close();
  }
}

function lockDescription(file: FileHandle, how: string[] = ['--exclusive']): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/flock', ['--nonblock', '--conflict-exit-code', '75', ...how, '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd] });
    child.on('error', (cause) =>
      reject(new KataError('host-program-missing', { subject: 'flock', found: 'flock does not run on this host', needed: '/usr/bin/flock, from util-linux', next: 'install util-linux', cause })));
    child.on('close', (code) => resolve(code === 0));
  });
}

/** The last holder may have removed the file (purge) between our open and our lock: then we hold a lock nobody else will see. */
async function sameFile(file: FileHandle, real: string): Promise<boolean> {
  const [ours, there] = [await file.stat(), await stat(real).catch(() => undefined)];
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

async function held(real: string): Promise<KataError> {
  const said = await readFile(real, 'utf8').catch(() => '');
  const holder = /"pid":(\d+),"verb":"([^"]*)","since":"([^"]*)"/.exec(said);
  const who = holder === null ? 'another change' : `${holder[2]} (process ${holder[1]}, since ${holder[3]})`;
  return new KataError('lock-held', {
    subject: holder?.[1] ?? '',
    found: `${who} holds the lock`,
    needed: 'one change at a time',
    next: holder === null ? 'wait for it: --wait SECONDS' : `wait for it (--wait SECONDS), or look at it: ps -fp ${holder[1]}`,
  });
}
