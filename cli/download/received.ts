import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, KataError } from '../errors/index.ts';
import { interrupted, stopIfAsked } from '../host/stoppable.ts';
import { type Answer, type Asking, ask } from './answer.ts';
import { broken, changed, refused } from './complaints.ts';
import { mostBytes } from './types.ts';

/** The bytes of an address from one place on. */
export interface Received {
  totalBytes(): number | undefined;
  /** A connection that breaks is taken up where it ended. Each piece is the reader's own. */
  pieces(): AsyncGenerator<Buffer, void>;
  close(): void;
}

/**
 * Asks until the server answers. The first `have` bytes are there already; the last of them is asked for once more, because there may be no
 * other. Throws `download-failed`, `download-refused` and, when it is asked to stop, `interrupted`.
 */
export async function receive(asked: Omit<Asking, 'from' | 'validator'>, have: number): Promise<Received> {
  const { address, signal } = asked;
  const asking = { ...asked, from: Math.max(0, have - 1), validator: undefined };
  const failures = countFailures(asking);
  const current = { answer: await persistently(asking, failures), at: have };
  let total = checkedTotal(current.answer, address);
  return {
    totalBytes: () => total,
    close: () => void current.answer.message.destroy(),
    async *pieces() {
      for (;;) {
        try {
          for await (const piece of piecesFrom(current, asking)) {
            failures.restore(piece.length);
            yield piece;
          }
          if (total === undefined || current.at === total) return;
          throw broken(address, `the connection ended after ${current.at} of ${total} bytes`);
        } catch (error) {
          current.answer.message.destroy();
          stopIfAsked(signal);
          await failures.add(error);
          current.answer = await persistently(
            { ...asking, from: Math.max(0, current.at - 1), validator: current.answer.validator },
            failures,
          );
          const now = checkedTotal(current.answer, address);
          if (total !== undefined && now !== undefined && now !== total) throw changed(address);
          total ??= now;
        }
      }
    },
  };
}

async function persistently(asking: Asking, failures: Failures): Promise<Answer> {
  for (;;) {
    try {
      return await ask(asking);
    } catch (error) {
      stopIfAsked(asking.signal);
      await failures.add(error);
    }
  }
}

/** The pieces of one answer. What a server sends again is left out: the digest over the whole tells if it was not the same. */
async function* piecesFrom(current: { answer: Answer; at: number }, asking: Asking): AsyncGenerator<Buffer, void> {
  const { message, from } = current.answer;
  const watched = watchPace(asking);
  const pieces = message[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let skip = current.at - from;
  for (;;) {
    const { done, value } = await watched(pieces.next()).catch((error: unknown) => {
      message.destroy();
      throw error instanceof KataError ? error : broken(asking.address, errnoOf(error) ?? String(error), error);
    });
    if (done === true) return;
    const piece = value.subarray(Math.min(skip, value.length));
    skip -= value.length - piece.length;
    if (piece.length === 0) continue;
    current.at += piece.length;
    if (current.at > mostBytes)
      throw refused(asking.address, `the server sends more than ${mostBytes} bytes`, 'a release of Kata, which is far smaller');
    yield piece;
  }
}

/** Bounds the time that is waited for one piece, and for all of them: what the reader needs does not count. */
function watchPace(asking: Asking): (next: Promise<IteratorResult<Buffer>>) => Promise<IteratorResult<Buffer>> {
  const { address, patience } = asking;
  let waitedMs = 0;
  let bytes = 0;
  return async (next) => {
    const began = performance.now();
    const result = await orLate(next, asking);
    waitedMs += performance.now() - began;
    if (result.done !== true) bytes += result.value.length;
    if (waitedMs < patience.slowMs) return result;
    if (bytes < patience.slowBytes && result.done !== true)
      throw broken(address, `the server sends too slowly: ${bytes} bytes in ${Math.round(waitedMs / 1000)} s`);
    [waitedMs, bytes] = [0, 0];
    return result;
  };
}

/** What `next` gives, unless the time is over or a stop is asked for before. */
function orLate<T>(next: Promise<T>, { address, patience: { idleMs }, signal }: Asking): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(broken(address, `the server sent nothing for ${idleMs / 1000} s`)), idleMs);
    const stop = (): void => reject(interrupted());
    signal?.addEventListener('abort', stop, { once: true });
    const end = (): void => {
      clearTimeout(late);
      signal?.removeEventListener('abort', stop);
    };
    next.finally(end).then(resolve, reject);
    if (signal?.aborted === true) stop();
  });
}

function checkedTotal({ message, totalBytes }: Answer, address: string): number | undefined {
  if (totalBytes === undefined || totalBytes <= mostBytes) return totalBytes;
  message.destroy();
  throw refused(
    address,
    `the server says that the file has ${totalBytes} bytes`,
    `at most ${mostBytes} bytes: a release of Kata is far smaller`,
  );
}

interface Failures {
  /** Waits before the next try. Throws the error itself when a new try does not help, or there were too many. */
  add(error: unknown): Promise<void>;
  restore(bytes: number): void;
}

function countFailures({ patience, signal, tell }: Asking): Failures {
  let count = 0;
  let bytes = 0;
  return {
    async add(error) {
      if (!(error instanceof KataError) || error.code !== 'download-failed') throw error;
      [count, bytes] = [count + 1, 0];
      if (count > patience.failures) throw error;
      const waitMs = patience.backoffMs * 2 ** (count - 1);
      tell(`${error.complaint.found}; the next try follows in ${waitMs / 1000} s`);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      stopIfAsked(signal);
    },
    restore(more) {
      bytes += more;
      if (bytes >= patience.restoringBytes) count = 0;
    },
  };
}
