import { commandWord, KataError } from '../errors/index.ts';
import { shownAddress } from './address.ts';

/** A new try may help: the connection broke, or the server is busy. */
export function broken(address: string, why: string, cause?: unknown): KataError {
  return new KataError('download-failed', {
    subject: shownAddress(address),
    found: `${shownAddress(address)} could not be downloaded: ${why}`,
    needed: 'a server that sends the whole file',
    next: `run the command again; to see what the server says: curl -fLIv ${commandWord(shownAddress(address))}`,
    cause,
  });
}

/** A new try does not help. */
export function refused(
  address: string,
  why: string,
  needed = 'a server that keeps to HTTP',
  next = 'fetch the file with a program of your own and name the file',
  cause?: unknown,
): KataError {
  return new KataError('download-refused', {
    subject: shownAddress(address),
    found: `${shownAddress(address)} is not used: ${why}`,
    needed,
    next,
    cause,
  });
}

const stale = { part: 'stale' };

/** What came before is a part of another file than the server has now. */
export function changed(address: string): KataError {
  const { complaint } = refused(
    address,
    'the server has another file under this address than when the download began',
    'one file',
    'compare its digest with the release page, and run the command again: it begins with the first byte',
  );
  return new KataError('download-refused', { ...complaint, details: stale });
}

/** The server has no byte from this place on. */
export function endsBefore(address: string, from: number): KataError {
  const { complaint } = refused(
    address,
    `the server has no byte ${from} of the file: it is shorter than it was, or than what is in the cache`,
    'one file',
    'run the command again: it begins with the first byte',
  );
  return new KataError('download-refused', { ...complaint, details: stale });
}

/** Nothing of the file that came before is of use any more. */
export function isStale(error: unknown): boolean {
  return error instanceof KataError && error.complaint.details === stale;
}
