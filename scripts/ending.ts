import { Socket } from 'node:net';

/** In the environment of a process that a run starts: the descriptor whose other end the run holds. Nothing is ever written to it. */
export const runsEnd = 'KATA_SYSEXT_RUNS_END';

/**
 * Calls `end` when the run is asked to end, and when it has died: a process that it starts leads a session of its own, which no terminal and
 * no signal for the run's group reaches.
 */
export function whenRunEnds(end: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  const fd = process.env[runsEnd];
  // What this process starts has no such descriptor.
  delete process.env[runsEnd];
  if (fd !== undefined) new Socket({ fd: Number(fd) }).on('error', end).on('close', end).resume().unref();
}

/** exit() drops what a slow reader of a pipe has not taken yet, and what comes last is the sum. */
export async function exitWhenRead(status: number): Promise<never> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  process.exit(status);
}
