import { write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../errors/index.ts';

export interface ResultOutput {
  isTTY?: boolean;
  write(text: string): unknown;
  /** Resolves when all of it is written; gives why it could not be, undefined where it was or its reader has gone away. */
  written(): Promise<Error | undefined>;
}

const againMs = 20;
/** A reader that goes away early, such as head(1), has all that it wanted. */
const goneAway = ['EPIPE', 'ECONNRESET'];

/**
 * Standard output for results. Node writes files and pipes in the main thread, where signals are deaf to a reader that hangs, and it does
 * not look at how much a full disk took: so they are written here, whole, by threads.
 */
export function resultOutput(stream: NodeJS.WriteStream & { fd: number }): ResultOutput {
  if (stream.isTTY === true) return { isTTY: true, write: (text) => stream.write(text), written: async () => undefined };
  let fault: Error | undefined;
  let done: Promise<void> = Promise.resolve();
  return {
    write: (text) => {
      done = done.then(async () => {
        if (fault === undefined) await writeAll(stream.fd, Buffer.from(text));
      });
      done = done.catch((error: Error) => {
        fault = error;
      });
      return true;
    },
    written: async () => {
      await done;
      return goneAway.includes(errnoOf(fault) ?? '') ? undefined : fault;
    },
  };
}

async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    const piece = rest;
    const taken = await new Promise<number>((resolve, reject) =>
      write(fd, piece, (error, count) => {
        if (error === null) resolve(count);
        // A pipe that another program made non-blocking.
        else if (errnoOf(error) === 'EAGAIN') resolve(-1);
        else reject(error);
      }),
    );
    if (taken < 0) await sleep(againMs);
    else rest = rest.subarray(taken);
  }
}
