import { constants } from 'node:os';

const names = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
type Name = (typeof names)[number];

/** How long the second signal waits for what it is passed on to. */
const outputFlushMs = 2000;

/** Called with the number of each signal; of the second, the process waits for what it gives, at most 2 s, and then ends. */
export type OnSignal = (number: number) => unknown;

export interface Signals {
  /** Also of a signal that came before; gives a function that stops the calls, not the listening. */
  onSignal(callback: OnSignal): () => void;
  /** Whether a signal came. */
  seen(): boolean;
  /** Everything is done but what a signal cut off, and that may hang: then the process ends by that signal. */
  endSoon(): void;
}

/**
 * From now on the first signal only asks the program to end, to the very end of the process: what was committed is answered as usual. The
 * second ends it, whatever hangs: by the signal's own default, so that the status says which it was.
 *
 * @param sameMs the same signal again within this time counts as one; 0: every one counts
 */
export function listenToSignals(sameMs: number): Signals {
  const callbacks = new Set<OnSignal>();
  let first: { name: Name; at: number } | undefined;
  let ending = false;
  const listeners = new Map<Name, () => void>();
  for (const name of names) {
    const listener = (): void => {
      if (first === undefined) {
        first = { name, at: performance.now() };
        for (const callback of callbacks) callback(constants.signals[name]);
        return;
      }
      if (name === first.name && performance.now() - first.at < sameMs) return;
      const now = (): void => end(name);
      const last = setTimeout(now, ending ? 0 : outputFlushMs);
      if (ending) return;
      ending = true;
      void Promise.allSettled([...callbacks].map((callback) => callback(constants.signals[name]))).then(() => {
        clearTimeout(last);
        now();
      });
    };
    listeners.set(name, listener);
    process.on(name, listener);
  }
  const end = (name: Name): void => {
    for (const [each, listener] of listeners) process.off(each, listener);
    process.kill(process.pid, name);
  };
  return {
    onSignal: (callback) => {
      callbacks.add(callback);
      if (first !== undefined) callback(constants.signals[first.name]);
      return () => callbacks.delete(callback);
    },
    seen: () => first !== undefined,
    endSoon: () => {
      const by = first?.name;
      if (by !== undefined) setTimeout(() => end(by), outputFlushMs).unref();
    },
  };
}
