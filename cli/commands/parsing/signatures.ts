import { KataError } from '../../errors/index.ts';
import type { SignatureFile } from '../../trust/index.ts';
import type { Call } from '../types.ts';
import { list } from './options.ts';
import { readSmall } from './smallFiles.ts';

/** The files that --signature names, one for each word in order. Throws `usage`, `download-failed` and `download-refused`. */
export async function signaturesFor(call: Call): Promise<SignatureFile[]> {
  const named = list(call.options['signature']);
  const next = 'kata-sysext install --help';
  if (named.length > call.words.length) {
    throw new KataError('usage', {
      subject: '--signature',
      found: `${named.length} signatures for ${call.words.length} bundles`,
      needed: 'at most one for each BUNDLE, in order',
      next,
    });
  }
  const read: SignatureFile[] = [];
  for (const word of named) read.push(await signatureOf(word, call, next));
  return read;
}

/** One file of a signature. */
export function signatureOf(word: string, call: Call, next: string): Promise<SignatureFile> {
  return readSmall(word, call, { subject: '--signature', needed: 'the file of a signature', next, limit: 'signature' });
}
