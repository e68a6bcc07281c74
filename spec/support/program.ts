import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkJson } from './judges/schemas.ts';

export const repo = fileURLToPath(new URL('../..', import.meta.url));

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

/** Names the program that a run of tests has built for all of its tiers (scripts/test.ts). */
export const builtProgram = 'KATA_SYSEXT_BUILT';
let built = process.env[builtProgram];

/** The program that specs run, built once for each run of tests into a folder of its own: what users get, not the sources. */
export function program(): string {
  if (built !== undefined) return built;
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-program-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const made = spawnSync('npm', ['run', '--silent', 'build', '--', folder], { cwd: repo, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`the build failed: ${made.stderr}`);
  built = join(folder, 'kata-sysext.mjs');
  return built;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Put before the program: ['strace', …]. */
  wrapper?: string[];
  timeoutMs?: number;
  /** The single file instead of the build that Node runs. */
  file?: string;
}

/** Runs the program to its end. A death by signal N gives status 128 + N. */
export function run(args: string[], options: RunOptions = {}): Promise<Ran> {
  const [command, ...rest] = [
    ...(options.wrapper ?? []),
    ...(options.file === undefined ? [process.execPath, program()] : [options.file]),
    ...args,
  ] as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, {
      env: { ...clean(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 300_000,
      killSignal: 'SIGKILL',
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? 128 + constants.signals[signal ?? 'SIGTERM'], stdout, stderr }));
  });
}

/** Runs with --json and gives the object, checked against its schema; throws with everything printed when the status is another. */
export async function json(args: string[], wanted = 0, options: RunOptions = {}): Promise<Record<string, unknown>> {
  const ran = await run([...args, '--json', '--progress', 'none'], options);
  if (ran.status !== wanted)
    throw new Error(`kata-sysext ${args.join(' ')} ended with ${ran.status}, not ${wanted}:\n${ran.stdout}\n${ran.stderr}`);
  const value = JSON.parse(ran.stdout) as Record<string, unknown>;
  checkJson(value);
  return value;
}

function clean(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !name.startsWith('KATA_SYSEXT_') && name !== 'INIT_CWD',
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
