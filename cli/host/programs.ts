import { type SpawnOptions, spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { ownProperties } from '../documents/index.ts';
import { KataError } from '../errors/index.ts';
import type { RunOptions, RunResult } from './types.ts';

/** External programs and the package that brings each: the only ones that run by name. */
export const programs: Record<string, string> = {
  cp: 'coreutils',
  sync: 'coreutils',
  nice: 'coreutils',
  find: 'findutils',
  flock: 'util-linux',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  findmnt: 'util-linux',
  // The package bsdutils on Debian, where it is always installed.
  logger: 'util-linux',
  unshare: 'util-linux',
  mount: 'util-linux',
  zstd: 'zstd',
  xz: 'xz-utils',
  tar: 'tar',
  setfattr: 'attr',
  getfattr: 'attr',
  lsattr: 'e2fsprogs',
  journalctl: 'systemd',
  'systemd-sysext': 'systemd',
  'rpm-ostree': 'rpm-ostree',
  modprobe: 'kmod',
  mksquashfs: 'squashfs-tools',
  'mkfs.erofs': 'erofs-utils',
  matchpathcon: 'selinux-utils',
  restorecon: 'policycoreutils',
  setfiles: 'policycoreutils',
};

/** Searched in this order and nowhere else, so that no caller's PATH decides what root runs. */
const folders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'];

const tailChars = 2000;

/** The environment of every program that is run, and nothing of the caller's: no LD_PRELOAD, no locale that changes what it prints. */
export const cleanEnvironment = ownProperties({ PATH: folders.join(':'), LC_ALL: 'C.UTF-8' });

/** The absolute path of a program of the table on this machine, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  if (name.startsWith('/')) return name;
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/** Standard output and error of "$@" together, through a pipe; nothing of a caller's is part of the script. */
const throughPipe = 'words=$("$@" 2>&1); status=$?; printf "%s\\n" "$words"; exit $status';

/** Runs a program; a shell is beside it only for `throughPipe`. Throws KataError `host-program-missing` or `failed` (command, exit code, last output). */
export async function runProgram(name: string, args: string[], given: RunOptions = {}): Promise<RunResult> {
  const options = ownProperties(given);
  const path = await findProgram(name);
  if (path === undefined) {
    throw new KataError('host-program-missing', {
      subject: name,
      found: `the program ${name} is not on this host`,
      needed: `${name}, from the package ${programs[name] ?? name}`,
      next: `install ${programs[name] ?? name}, then run the command again`,
    });
  }
  const result =
    options.throughPipe === true
      ? await collect('/bin/sh', ['-c', throughPipe, 'sh', path, ...args], options)
      : await collect(path, args, options);
  const accept = options.accept ?? [0];
  if (!accept.includes(result.code)) {
    throw new KataError('failed', {
      subject: name,
      found: `${[path, ...args].join(' ')} ended with ${result.code}: ${tail(result.stderr || result.stdout)}`,
      needed: `exit status ${accept.join(' or ')}`,
      next: 'read its message above',
      details: { command: [path, ...args], exitStatus: result.code },
    });
  }
  return result;
}

function collect(path: string, args: string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    // Node copies an environment with what it inherits.
    const spawned: SpawnOptions = ownProperties({
      env: ownProperties({ ...cleanEnvironment, ...options.env }),
      cwd: options.cwd,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.descriptors ?? [])],
      // A group of its own: ^^C at the terminal asks this process to undo, and must not end the cp or sync that the undo needs.
      detached: true,
    });
    const child = spawn(path, args, spawned);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let late = false;
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            killGroup(child.pid);
          }, options.timeoutMs);
    const abort = (): void => killGroup(child.pid);
    options.signal?.addEventListener('abort', abort);
    if (options.signal?.aborted === true) abort();
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      const stderr = Buffer.concat(err).toString() + (late ? `\nended after ${options.timeoutMs} ms` : '');
      resolve({ code: code ?? (signal === null ? 1 : 128 + 9), stdout: Buffer.concat(out).toString(), stderr });
    });
    if (options.input !== undefined) {
      // The program may end before it has read everything; its exit status tells.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.input);
    }
  });
}

/** The program and whatever it started. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

function tail(text: string): string {
  const clean = text.trim();
  return clean.length > tailChars ? `…${clean.slice(-tailChars)}` : clean;
}
