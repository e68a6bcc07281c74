import { createHash, createVerify, type KeyObject, verify } from 'node:crypto';
import type { Trial } from './types.ts';

/** What minisign's file has beside the id of its key. */
export interface MinisignParts {
  bytes: Buffer;
  comment: string;
  commentSignature: Buffer;
}

export function minisignTrial({ bytes, comment, commentSignature }: MinisignParts, key: KeyObject): Trial {
  const hash = createHash('blake2b512');
  return {
    update: (piece) => void hash.update(piece),
    fits() {
      const isOfFile = verify(null, hash.digest(), key, bytes);
      return isOfFile && verify(null, Buffer.concat([bytes, Buffer.from(comment)]), key, commentSignature) ? { comment } : undefined;
    },
  };
}

export function pemTrial(bytes: Buffer, key: KeyObject): Trial {
  const verifier = createVerify('sha256');
  return { update: (piece) => void verifier.update(piece), fits: () => (verifier.verify(key, bytes) ? {} : undefined) };
}
