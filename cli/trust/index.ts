export { trustFolder } from './complaints.ts';
export { readConditions } from './conditions.ts';
export { readPolicy } from './policy.ts';
export { archiveProver } from './prover.ts';
export { type Conditions, firstVerifier, signatureSuffix, signatureSuffixes, verifierFor } from './signature.ts';
export type { ArchiveProver, Proof, SignatureFile, Verifier } from './types.ts';
