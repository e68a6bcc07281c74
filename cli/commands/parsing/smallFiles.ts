import { resolve } from 'node:path';
import { isAddress, requireName, shownAddress } from '../../download/address.ts';
import { errnoOf, KataError } from '../../errors/index.ts';
import { fileLimits, readRegular } from '../../host/regular.ts';
import type { FileKind } from '../../host/types.ts';
import type { Call } from '../types.ts';
import { fetchingOf } from './addresses.ts';

/** A file that is read whole before anything is done. */
export interface SmallFile {
  /** As messages say it. */
  name: string;
  /** A real path, or an address without secrets. */
  place: string;
  content: Buffer;
}

interface Kind {
  /** What messages are about: '--signature'. */
  subject: string;
  needed: string;
  next: string;
  limit: FileKind;
}

/** Reads a file of this machine or of an address. Throws `usage`, `download-failed` and `download-refused`. */
export function readSmall(word: string, call: Call, kind: Kind): Promise<SmallFile> {
  return isAddress(word) ? fetched(word, call, kind) : readFile(word, call.io.cwd, kind);
}

async function readFile(word: string, cwd: string, kind: Kind): Promise<SmallFile> {
  const path = resolve(cwd, word);
  const content = await readRegular(path, kind.limit, { follow: true }).catch((error: unknown) => {
    throw usage(`${word} cannot be read (${errnoOf(error) ?? (error instanceof KataError ? error.complaint.found : String(error))})`, kind);
  });
  return { name: word, place: path, content };
}

async function fetched(address: string, call: Call, kind: Pick<Kind, 'limit'>): Promise<SmallFile> {
  const { downloadWhole } = await import('../../download/index.ts');
  const { caFile } = fetchingOf(call);
  const name = requireName(address);
  const content = await downloadWhole({ address, caFile, signal: call.context.signal }, fileLimits[kind.limit]);
  return { name, place: shownAddress(address), content };
}

function usage(found: string, { subject, needed, next }: Kind): KataError {
  return new KataError('usage', { subject, found, needed, next });
}
