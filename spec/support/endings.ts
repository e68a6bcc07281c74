import { rmSync } from 'node:fs';

/** After the specs of a describe: ends what its `before` made. Where that was skipped or failed first, there is nothing to end. */
export function endAfter<T>(made: () => T | undefined, end: (made: T) => unknown): void {
  after(async () => {
    const one = made();
    if (one !== undefined) await end(one);
  });
}

/** The same for a host, or what is about one. */
export function stopAfter(started: () => Stoppable | { host: Stoppable } | undefined): void {
  endAfter(started, (one) => ('host' in one ? one.host : one).stop());
}

/** The same for a folder, with what is in it. */
export function removeAfter(folder: () => string | undefined): void {
  endAfter(folder, (path) => rmSync(path, { recursive: true, force: true }));
}

interface Stoppable {
  stop(): Promise<unknown>;
}
