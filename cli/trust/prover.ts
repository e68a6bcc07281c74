import { type Conditions, firstVerifier, isTrusted } from './signature.ts';
import type { ArchiveProver } from './types.ts';

/** @param known digests of the catalogues that count on this host */
export function archiveProver(conditions: Conditions, known: ReadonlySet<string>, unproven: ArchiveProver['unproven']): ArchiveProver {
  return {
    isKnown: (digest) => known.has(digest),
    verifierFor: (archive, signatures) => firstVerifier(signatures, archive, conditions),
    unproven,
    counts: ({ digest, proof }) => known.has(digest) || (proof !== undefined && isTrusted(proof.keyDigest, conditions)),
  };
}
