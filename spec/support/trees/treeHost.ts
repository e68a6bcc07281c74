import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIRST, SECOND, tinyRelease } from '../../lab/release/index.ts';
import { fingerprint } from '../judges/fingerprint.ts';
import { json, program, type Ran, type RunOptions, run } from '../program.ts';
import { copyTree, makeTree, type TreeName } from './hostTrees.ts';

/** An offline host tree in a temporary folder, and the program run on it. */
export interface TreeHost {
  root: string;
  /** `--root … --engine …` */
  flags: string[];
  path(inside: string): string;
  /** Runs a verb on the tree; throws when it does not end with `wanted`. Gives the JSON object, checked against its schema. */
  json(args: string[], wanted?: number, options?: RunOptions): Promise<Record<string, unknown>>;
  run(args: string[], options?: RunOptions): Promise<Ran>;
  fingerprint(leaveOut?: string[]): string[];
  /** Starts a verb that stops itself (SIGSTOP) at a failpoint; gives it as soon as it stands still. */
  paused(args: string[], point: string): Promise<Paused>;
  /** Starts a verb with --json and gives it as soon as it has said `text`; `done` is its answer. */
  saying(args: string[], text: string): Promise<{ done: Promise<Record<string, unknown>> }>;
  /** A second tree with the same content: what it costs to begin again. */
  copy(): TreeHost;
  remove(): void;
}

export interface Paused {
  pid: number;
  go(): void;
  kill(): Promise<number>;
  /** Its exit status, 128 + N for a death by signal N. */
  ended: Promise<number>;
  /** What it wrote to standard error so far. */
  said(): string;
}

/** Verbs that only read take no --engine. */
const reading = new Set([
  'notices',
  'status',
  'history',
  'diff',
  'verify',
  'explain',
  'completion',
  'report',
  'build',
  'inspect',
  'releases',
  'bundle',
]);

/** What a settled change may leave besides the old or the new generation: the story, and the lock file and the guard's room while Kata is installed. */
export const story = ['var/lib/kata-sysext/history', 'var/lib/kata-sysext/lock', 'var/lib/kata-sysext/reserved-space'];

/** `engine`: another one than the tree comes with, for which `prepare` puts the files there; `file`: the single file, to run instead of the build. */
export function treeHost(
  name: TreeName,
  prepare: (root: string) => void = () => undefined,
  { engine, file }: { engine?: string; file?: string } = {},
): TreeHost {
  const root = scratch(name);
  const own = makeTree(name, root);
  prepare(root);
  return hostAt(root, engine ?? own, file);
}

function hostAt(root: string, engine: string, file?: string): TreeHost {
  const which = file === undefined ? {} : { file };
  const all = (args: string[]) => [...args, '--root', root, ...(reading.has(args[0] ?? '') ? [] : ['--engine', engine])];
  return {
    root,
    flags: ['--root', root, '--engine', engine],
    path: (inside) => join(root, inside),
    json: (args, wanted, options) => json(all(args), wanted, { ...which, ...options }),
    run: (args, options) => run(all(args), { ...which, ...options }),
    paused: (args, point) => pausedAt(all(args), point),
    saying: (args, text) => saying([...all(args), '--json', '--progress', 'plain'], text),
    fingerprint: (leaveOut) => fingerprint(root, ['.'], leaveOut),
    copy: () => {
      const other = scratch('copy');
      copyTree(root, other);
      return hostAt(other, engine, file);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

async function pausedAt(args: string[], point: string): Promise<Paused> {
  const env = { ...process.env, KATA_SYSEXT_FAILPOINT: point };
  const child = spawn(process.execPath, [program(), ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const pid = child.pid!;
  const ended = new Promise<number>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM'])),
  );
  while (child.exitCode === null && child.signalCode === null && !/^State:\s+T/m.test(statusOf(pid)))
    await new Promise((resolve) => setTimeout(resolve, 20));
  if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended with ${child.exitCode} before ${point}`);
  const kill = () => {
    child.kill('SIGKILL');
    return ended;
  };
  return { pid, go: () => void child.kill('SIGCONT'), kill, ended, said: () => stderr };
}

async function saying(args: string[], text: string): Promise<{ done: Promise<Record<string, unknown>> }> {
  const child = spawn(process.execPath, [program(), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const done = new Promise<Record<string, unknown>>((resolve, reject) =>
    child.on('close', (code) => (code === 0 ? resolve(JSON.parse(stdout)) : reject(new Error(`${args.join(' ')}: ${code}\n${stderr}`)))),
  );
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (stderr.includes(text)) resolve();
    });
    done.then(() => reject(new Error(`${args.join(' ')} ended without “${text}”:\n${stderr}`)), reject);
  });
  return { done };
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

const scratches = new Set<string>();

/** A folder in the temporary folder of this run; whoever makes it removes it, and what a failed spec leaves goes when the process ends. */
export function scratch(name: string): string {
  if (scratches.size === 0) process.on('exit', removeScratches);
  const folder = mkdtempSync(join(tmpdir(), `kata-sysext-${name}-`));
  scratches.add(folder);
  return folder;
}

function removeScratches(): void {
  const left = [...scratches].filter((folder) => existsSync(folder));
  // No mount is followed: a spec that failed may have left one.
  if (left.length > 0) spawnSync('rm', ['-rf', '--one-file-system', ...left]);
}

let made: Promise<{ first: string; second: string }> | undefined;

/** Two tiny releases, made once for a run: their paths. */
export function releases(): Promise<{ first: string; second: string }> {
  made ??= (async () => {
    const folder = scratch('releases');
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    return { first: await tinyRelease(folder, { version: FIRST }), second: await tinyRelease(folder, { version: SECOND }) };
  })();
  return made;
}
