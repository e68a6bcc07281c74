import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { closeSync, constants as flags, openSync, rmdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ownProperties } from '../documents/index.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { cleanEnvironment, findProgram, runProgram } from './programs.ts';
import type { Watched, WatchOptions } from './types.ts';

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Where the private folder goes, whatever TMPDIR says. /run is root's and empty after a reboot; other users get /tmp. */
const places = ['/run', '/tmp'];

/**
 * Runs a program by its absolute path until it ends, has shown enough, its time is over, or `signal` aborts; then it and all that it
 * started are killed. It runs in a private folder with nothing but `files`, which goes with it; it reads no input and gets no terminal.
 *
 * It cannot outlive this process: the kernel passes a SIGKILL of this process on (setpriv --pdeathsig, util-linux), and a crash of it
 * writes no core (prlimit), because an abort of the hypervisor is an expected answer. Where these helpers are not there it runs without.
 * Throws KataError `failed` when the program cannot be started at all.
 */
export async function watchProgram(path: string, args: string[], given: WatchOptions): Promise<Watched> {
  const options = ownProperties(given);
  const folder = await privateFolder();
  try {
    for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(folder, name), text, { mode: 0o600, flag: 'wx' });
    return await look([...(await guards()), path, ...args] as [string, ...string[]], folder, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each is tried on true(1) first: util-linux before 2.33 knows no --pdeathsig. */
async function guards(): Promise<string[]> {
  const rows: [string, ...string[]][] = [
    ['setpriv', '--pdeathsig', 'KILL'],
    ['prlimit', '--core=0:0'],
  ];
  const working: string[] = [];
  for (const [name, ...words] of rows) {
    const [program, nothing] = [await findProgram(name), await findProgram('true')];
    if (program === undefined || nothing === undefined) continue;
    const { code } = await runProgram(program, [...words, nothing], {
      timeoutMs: 20_000,
      accept: Array.from({ length: 256 }, (_, i) => i),
    });
    if (code === 0) working.push(program, ...words);
  }
  return working;
}

async function privateFolder(): Promise<string> {
  for (const place of places) {
    try {
      return await mkdtemp(join(place, 'kata-sysext-watch-'));
    } catch (error) {
      if (!['EACCES', 'EROFS', 'ENOENT', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
  throw new KataError('failed', {
    found: `no folder can be made in ${places.join(' or ')}`,
    needed: 'a place for a private temporary folder',
    next: `ls -ld ${places.join(' ')}`,
  });
}

/**
 * Where nothing is to be read from it (`bare`) the folder is gone before the program begins: it can write nothing there, and no SIGKILL of
 * this process leaves it behind.
 */
function begin([program, ...args]: [string, ...string[]], folder: string, bare: boolean): Child {
  const handle = bare ? openSync(folder, flags.O_RDONLY | flags.O_DIRECTORY) : undefined;
  try {
    if (handle !== undefined) rmdirSync(folder);
    return spawn(program, args, {
      cwd: handle === undefined ? folder : `/proc/self/fd/${handle}`,
      env: ownProperties({ ...cleanEnvironment, TMPDIR: folder }),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: all that it starts can be killed with it, and ^^C at the terminal reaches only this process.
      detached: true,
    });
  } finally {
    // The child is in there by now.
    if (handle !== undefined) closeSync(handle);
  }
}

function look([program, ...args]: [string, ...string[]], folder: string, options: WatchOptions): Promise<Watched> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = begin([program, ...args], folder, Object.keys(options.files ?? {}).length === 0);
    let reason: Watched['reason'] = 'ended';
    const end = (why: Watched['reason']): void => {
      if (reason === 'ended') reason = why;
      killGroup(child.pid);
    };
    const abort = (): void => end('aborted');
    // For an end of this process that no finally sees.
    const atExit = (): void => {
      killGroup(child.pid);
      rmSync(folder, { recursive: true, force: true });
    };
    const timers: NodeJS.Timeout[] = [];
    const settle = (): void => {
      for (const timer of timers) clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      process.off('exit', atExit);
    };
    const ask = (from: 'out' | 'err' | 'clock', text: string): void => {
      if (reason === 'ended' && options.enough(from, text, performance.now() - started)) end('enough');
    };
    process.on('exit', atExit);
    options.signal?.addEventListener('abort', abort);
    timers.push(
      setTimeout(() => end('late'), options.deadlineMs),
      setInterval(() => ask('clock', ''), 100),
    );
    child.stdout.on('data', (chunk: Buffer) => ask('out', chunk.toString('latin1')));
    child.stderr.on('data', (chunk: Buffer) => ask('err', chunk.toString('utf8')));
    child.on('error', (cause) => {
      settle();
      reject(
        new KataError('failed', {
          subject: program,
          found: `${program} cannot be started: ${cause.message}`,
          needed: 'a program that can run',
          next: `ls -l ${commandWord(program)}`,
          cause,
        }),
      );
    });
    child.on('exit', () => {
      // What it left in its group goes as well. Who left the group may still hold its output: 'close' must not wait for that.
      killGroup(child.pid);
      timers.push(setTimeout(() => [child.stdout, child.stderr].forEach((stream) => void stream.destroy()), 1000));
    });
    child.on('close', (code, signal) => {
      settle();
      const status = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
      resolve({ reason, status, milliseconds: Math.round(performance.now() - started) });
    });
    if (options.signal?.aborted === true) abort();
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
