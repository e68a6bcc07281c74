import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** Starts a program that runs on until this process ends; what it says is appended to a file. */
export function startDaemon(argv: readonly string[], log: string): ChildProcess {
  const file = openSync(log, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: ['ignore', file, file], detached: true });
  closeSync(file);
  child.unref();
  return child;
}

/** Kills a program and waits for its end: nothing of a cluster is needed after it, and a graceful end of an API server takes a minute. */
export async function endProcess(child: ChildProcess): Promise<void> {
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  if (!isRunning()) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  if (isRunning()) await ended;
}
