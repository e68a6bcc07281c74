import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  /** default: ten minutes: machines are shared, and some are emulated */
  timeoutMs?: number;
  /** return a nonzero status instead of throwing */
  allowFailure?: boolean;
}

/** Runs a program on the machine itself; `env` is added to this process's own. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = start(argv, options);
  const ran = await collect(child, argv, options);
  if (ran.code !== 0 && options.allowFailure !== true) throw failure(argv, ran);
  return ran;
}

/** Starts a program as leader of its own process group, so that a time limit ends its children too. */
export function start(argv: readonly string[], options: RunOptions = {}): ChildProcess {
  const [program, ...rest] = argv;
  if (program === undefined) throw new Error('no program named');
  return spawn(program, rest, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
}

/**
 * Ends a started program and its group, children first: what nsenter started inside a host is reaped by nsenter alone, and left
 * unreaped it would keep the host's namespace from ending.
 */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  const { pid } = child;
  if (pid === undefined) return;
  for (const inner of childrenOf(pid)) signalTo(inner, signal);
  const rest = setTimeout(() => signalTo(-pid, signal), 300);
  child.once('exit', () => {
    clearTimeout(rest);
    signalTo(-pid, signal);
  });
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended already
  }
}

/** The children of a process as the machine numbers them; none of one that has ended. */
export function childrenOf(pid: number): number[] {
  try {
    const lists = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'));
    return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number));
  } catch {
    return [];
  }
}

function collect(child: ChildProcess, argv: readonly string[], options: RunOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const limit = options.timeoutMs ?? 600_000;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, limit);
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot run ${argv[0]}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const ran = { code: code ?? (signal === 'SIGKILL' ? 137 : 143), stdout: text(out), stderr: text(err) };
      if (late) reject(new Error(`${argv.join(' ')}: no end after ${limit} ms\n${ran.stdout}${ran.stderr}`));
      else resolve(ran);
    });
    // a program that never reads its input closes the pipe: that is its own business
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

function text(chunks: Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

export function failure(argv: readonly string[], ran: Ran): Error {
  const said = `${ran.stdout}\n${ran.stderr}`.trim().split('\n').slice(-20).join('\n');
  return new Error(`${argv.join(' ')}: exit ${ran.code}\n${said}`);
}
