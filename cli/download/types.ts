import type { KataError } from '../errors/index.ts';
import type { Digest } from '../host/types.ts';

/** What a server wants to know of the one who asks; only the server of the address gets it. */
export interface Credentials {
  /** The header of the next request. */
  header(): string | undefined;
  /** The server answered 401 with this challenge: makes another header. */
  renew(challenge: string): Promise<void>;
  /** The error where the server answers 401 to that one as well. */
  refused(): KataError;
}

/** How a run of the program downloads. */
export interface Fetching {
  /** Real path of a file with certificates (PEM) that are trusted as well as the host's. */
  caFile?: string | undefined;
  /** Real path of a file with names and passwords for registries. */
  registryAuth?: string | undefined;
  /** Real path of the folder that keeps partial and whole archives between runs. */
  cacheDir?: string | undefined;
  /** Of a release that is named by its version: an https address or the real path of a folder; undefined: where Kata publishes it. */
  from?: string | undefined;
  patience?: Patience;
}

/** How long a server may take, and how often it may fail. */
export interface Patience {
  /** Until the answer begins. */
  answerMs: number;
  /** Until the next bytes come. */
  idleMs: number;
  /** Of this time, waited for bytes, at least `slowBytes` have to come. */
  slowMs: number;
  slowBytes: number;
  /** Failures in a row; bytes as many as `restoringBytes` without one start the count again. */
  failures: number;
  restoringBytes: number;
  /** Before the first new try; it doubles with each. */
  backoffMs: number;
}

/** A server that gives less than 16 KiB a minute counts as broken. The waits of five failures add up to 31 seconds. */
export const usualPatience: Patience = {
  answerMs: 30_000,
  idleMs: 60_000,
  slowMs: 60_000,
  slowBytes: 16 * 1024,
  failures: 5,
  restoringBytes: 8 * 1024 * 1024,
  backoffMs: 1_000,
};

/** More than this is sent by no server: the largest release of Kata has 1 GB. */
export const mostBytes = 16 * 2 ** 30;

export interface Download {
  /** As the server or the cache says it; undefined while it does not. */
  totalBytes: number | undefined;
  /**
   * From the first byte to the last, once. Each piece is the reader's own. After the last, the cache keeps the file if its digest is the
   * wanted one, and forgets it if it is another.
   */
  pieces(): AsyncGenerator<Buffer, void>;
  /** Over what `pieces` gave. */
  digest(): Digest;
  /** The reader found that these are not the bytes of the file: the next run begins with the first byte. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

export interface DownloadRequest extends Fetching {
  /** An https address. */
  address: string;
  /** The digest that the whole has to have: it names the file in the cache. The reader checks it. */
  digest?: Digest | undefined;
  /** The header `accept`. */
  accept?: string | undefined;
  credentials?: Credentials | undefined;
  signal?: AbortSignal | undefined;
  /** Gets each failure after which the program tries again. */
  tell?: ((text: string) => void) | undefined;
}
