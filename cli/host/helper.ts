import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { lstat, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownProperties } from '../documents/index.ts';
import { errnoOf } from '../errors/index.ts';
import { cleanEnvironment } from './programs.ts';
import type { HelperAnswer, HelperOptions } from './types.ts';

type Child = ChildProcessByStdio<null, Readable, null>;

/**
 * Where a program may lie for the moment of its start, first what a reboot clears. Each may be mounted noexec: Debian's /run is, hardened
 * hosts have it elsewhere. TMPDIR is not asked.
 */
const usualPlaces = ['/run', '/dev/shm', '/tmp', '/var/tmp'];
/** The place is not there, not writable, or programs may not run in it. */
const unfit = ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'ENOSPC', 'EDQUOT'];
/** Node starts programs from several threads: a child that has not begun yet may have the file open for writing for a moment. */
const busyTries = 20;
const busyMs = 25;
/** A killed process ends at once, unless it hangs in the kernel: then it is left behind. */
const killedMs = 2000;
const maxLineChars = 200;

/**
 * Runs a program from its bytes: in a folder that only this user may enter, which is gone as soon as the program runs. It gets no
 * input and none of the caller's environment. A script could not be read any more when its interpreter looks for it. Never throws for what the machine refuses.
 */
export async function runHelper(
  program: Buffer,
  { args = [], deadlineMs }: HelperOptions,
  places: readonly string[] = usualPlaces,
): Promise<HelperAnswer> {
  const refused: string[] = [];
  for (const place of places) {
    if (await isOpenToOthers(place)) {
      refused.push(`${place}: other users may exchange what is in it`);
      continue;
    }
    const started = await startIn(place, program, args, deadlineMs).catch((error: unknown) => {
      if (!unfit.includes(errnoOf(error) ?? '')) throw error;
      refused.push(`${place}: ${errnoOf(error)}`);
      return undefined;
    });
    if (started !== undefined) return await started.answer;
  }
  return { kind: 'unstarted', why: refused.join(', ') };
}

/** Without the sticky bit every user with write permission on a folder may replace the program in it. */
async function isOpenToOthers(place: string): Promise<boolean> {
  const stat = await lstat(place).catch(() => undefined);
  if (stat === undefined) return false;
  const own = stat.uid === 0 || stat.uid === process.getuid?.();
  return !stat.isDirectory() || !own || ((stat.mode & 0o022) !== 0 && (stat.mode & 0o1000) === 0);
}

interface Started {
  answer: Promise<HelperAnswer>;
}

async function startIn(place: string, program: Buffer, args: string[], deadlineMs: number): Promise<Started> {
  const folder = await mkdtemp(join(place, 'kata-sysext-helper-'));
  try {
    const path = join(folder, 'helper');
    await writeFile(path, program, { mode: 0o700, flag: 'wx' });
    for (let tries = 1; ; tries += 1) {
      try {
        return await start(path, args, deadlineMs);
      } catch (error) {
        if (errnoOf(error) !== 'ETXTBSY' || tries === busyTries) throw error;
        await sleep(busyMs);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Listens from the start: what the helper prints before would be lost. */
function start(path: string, args: string[], deadlineMs: number): Promise<Started> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, {
      cwd: '/',
      env: ownProperties({ ...cleanEnvironment }),
      stdio: ['ignore', 'pipe', 'ignore'],
      // ^^C at the terminal reaches only this process.
      detached: true,
    });
    const answer = answerOf(child, deadlineMs);
    child.once('error', reject);
    child.once('spawn', () => resolve({ answer }));
  });
}

function answerOf(child: Child, deadlineMs: number): Promise<HelperAnswer> {
  return new Promise((resolve) => {
    let said = '';
    let late = false;
    const kill = (): void => void child.kill('SIGKILL');
    const answer = (found: HelperAnswer): void => {
      for (const timer of timers) clearTimeout(timer);
      process.off('exit', kill);
      resolve(found);
    };
    const timers = [
      setTimeout(() => {
        late = true;
        kill();
      }, deadlineMs),
      setTimeout(() => {
        child.stdout.destroy();
        child.unref();
        answer({ kind: 'late' });
      }, deadlineMs + killedMs),
    ];
    process.on('exit', kill);
    child.stdout.on('data', (chunk: Buffer) => {
      if (said.length < maxLineChars) said += chunk.toString('latin1');
    });
    child.on('close', (code, signal) => {
      const status = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
      answer(late ? { kind: 'late' } : { kind: 'ended', status, line: said.slice(0, maxLineChars).split('\n')[0]! });
    });
  });
}
