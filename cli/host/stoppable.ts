import { KataError } from '../errors/index.ts';
import type { Host, HostView } from './types.ts';

interface Stops {
  signal: AbortSignal;
  /** How many pieces of work run that a signal must not cut off. */
  undisturbed: number;
}

/** Under a symbol: a copy of the port (`{ ...host, … }`) has it as well. In the registry: specs load this file twice, as two modules. */
const stops = Symbol.for('kata-sysext.stops');

const reads = [
  'locate',
  'resolve',
  'realpath',
  'lstat',
  'stat',
  'readFile',
  'readText',
  'readHead',
  'readlink',
  'readdir',
  'digest',
  'labelsOf',
  'canWrite',
  'freeBytes',
  'has',
  // It ends by its deadline, and leaves nothing.
  'helper',
  // They only wait for the disk.
  'syncTree',
  'syncFileSystem',
] as const satisfies (keyof Host)[];

/** Whatever makes something. What removes (`removeTree`, `unlink`, `rmdir`) always works: a clean-up needs it. */
const writes = [
  'hold',
  'mkdir',
  'writeFile',
  'replaceFile',
  'copyIn',
  'symlink',
  'rename',
  'setModified',
  'relabel',
  'labels',
  'setLabels',
  'knowsType',
  // It looks at the signal itself, and has to end what it started.
  'watch',
] as const satisfies (keyof Host)[];

/**
 * The port of a command that a signal ends: from then on every call throws `interrupted`. A read that hangs is left at once, a program that
 * runs is killed; a write is never cut off. Work within `undisturbed` notices nothing of it.
 */
export function stoppable(host: Host, signal: AbortSignal): Host {
  const state: Stops = { signal, undisturbed: 0 };
  const stopped = () => signal.aborted && state.undisturbed === 0;
  const wrapped: Record<string | symbol, unknown> = { ...host, [stops]: state };
  for (const name of reads) {
    const call = host[name] as (...args: unknown[]) => Promise<unknown>;
    wrapped[name] = (...args: unknown[]) => {
      if (stopped()) return Promise.reject(interrupted());
      return state.undisturbed > 0 ? call(...args) : unlessStopped(call(...args), signal);
    };
  }
  for (const name of writes) {
    const call = host[name] as (...args: unknown[]) => Promise<unknown>;
    wrapped[name] = async (...args: unknown[]) => {
      if (stopped()) throw interrupted();
      return call(...args);
    };
  }
  const run: Host['run'] = async (program, args, options) => {
    if (stopped()) throw interrupted();
    if (state.undisturbed > 0) return host.run(program, args, options);
    const result = await host.run(program, args, { ...options, signal }).catch((error: unknown) => {
      throw stopped() ? interrupted(error) : error;
    });
    if (stopped()) throw interrupted();
    return result;
  };
  wrapped['run'] = run;
  return wrapped as unknown as Host;
}

/** Work that a signal must not cut off: an undo, a clean-up, the steps of a change between two of its own looks at the signal. */
export async function undisturbed<T>(host: HostView, work: () => Promise<T>): Promise<T> {
  const state = (host as unknown as Record<symbol, Stops | undefined>)[stops];
  if (state === undefined) return work();
  state.undisturbed += 1;
  try {
    return await work();
  } finally {
    state.undisturbed -= 1;
  }
}

/** From now on nothing is cut off: the work is done, and only its result has to be printed. */
export function beyondStopping(host: HostView): void {
  const state = (host as unknown as Record<symbol, Stops | undefined>)[stops];
  if (state !== undefined) state.undisturbed += 1;
}

/** Throws `interrupted` once the signal was raised. */
export function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw interrupted();
}

/** `interrupted`: a signal asked the command to end. */
export function interrupted(cause?: unknown): KataError {
  return new KataError('interrupted', {
    found: 'the command was interrupted by a signal; the host is as it was',
    needed: 'time to finish',
    next: 'run the command again',
    cause,
  });
}

/** What `work` gives, or `interrupted` as soon as the signal is raised: then the work goes on unseen, so it must be work that leaves nothing. */
export async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let listener = (): void => undefined;
  const raised = new Promise<never>((_, reject) => {
    listener = () => reject(interrupted());
    if (signal.aborted) listener();
    else signal.addEventListener('abort', listener, { once: true });
  });
  try {
    return await Promise.race([work, raised]);
  } finally {
    signal.removeEventListener('abort', listener);
    // No caller waits for what comes later.
    work.catch(() => undefined);
    raised.catch(() => undefined);
  }
}
