import type { KeyObject } from 'node:crypto';
import type { TrustMaterial } from '@sigstore/verify';
import type { KataError } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';

/** A key of trust.d, ready to be used: of `key` and `signer` one is there. */
export interface TrustedKey {
  name: string;
  /**
   * `minisign`: Ed25519 over BLAKE2b. `pem`: ECDSA or RSA over SHA-256, as openssl and cosign sign. `sigstore`: a bundle of sigstore, signed
   * with such a key, or with a certificate of a signer.
   */
  kind: 'minisign' | 'pem' | 'sigstore';
  key?: KeyObject | undefined;
  signer?: Signer | undefined;
  /** Of minisign: tells which key a signature is of. */
  id?: string;
  /** RFC 3339; from then on it proves nothing. */
  notAfter?: string | undefined;
  /** The file that names it. */
  file: HostPath;
  /** See `Proof`. */
  digest: Proof['keyDigest'];
}

/** Who signs without a key of his own: an authority gives him a certificate for some minutes, and a log keeps the signature. */
export interface Signer {
  /** As the certificate has it, whole; with `*` at its end only the beginning counts. */
  identity: string;
  /** Who vouches for the identity: an address of OpenID Connect. */
  issuer: string;
  /** The authorities and the logs that count. */
  root: TrustMaterial;
}

/** A signature as it was found. */
export interface SignatureFile {
  /** As messages say it. */
  name: string;
  /** See `Proof`. */
  place: string;
  /** The saved bundle that has it, if it is in one. */
  bundle?: string | undefined;
  content: Buffer;
}

export interface Policy {
  /** Only what a key signed, or the catalogue of the program knows, is installed. */
  strict: boolean;
  keys: TrustedKey[];
}

/** What was proven of a source; a generation keeps it. */
export interface Proof {
  /** The name of the key. */
  key: string;
  kind: TrustedKey['kind'];
  /** What minisign signed together with the file. */
  comment?: string | undefined;
  /** Of a certificate: who signed. */
  identity?: string | undefined;
  /** Of the signature's own bytes: the same signature of the same key means the same file. */
  signature: `sha256:${string}`;
  /** Of the key, in the form SubjectPublicKeyInfo; of a signer, of all that the policy says of him. */
  keyDigest: `sha256:${string}`;
  /** Where the signature was: a path of the machine that installed it, or an address without secrets. */
  place: string;
}

/** One key and one signature: sees the bytes of the file once. */
export interface Trial {
  update(piece: Buffer): void;
  /** What the signature says beside the file; undefined where it is of other bytes or of another key. */
  fits(): Pick<Proof, 'comment' | 'identity'> | undefined;
}

/** Sees the bytes of a file once, and then says whether they are those that were signed. */
export interface Verifier {
  readonly signature: Proof['signature'];
  /** Of the keys that may have made it. */
  readonly keyDigests: Proof['keyDigest'][];
  update(piece: Buffer): void;
  /** Throws `signature-wrong`. */
  finish(): Proof;
}

/**
 * What proves the archives in a saved bundle one by one, on a host that demands signatures and where nothing proves the file as a whole.
 * The document of the bundle, with the names and the digests of its archives, has no signature.
 */
export interface ArchiveProver {
  /** Whether a catalogue that counts has an archive of this digest. */
  isKnown(digest: string): boolean;
  /** Throws `signature-unfit`, and `signature-key` where none is of a key that the host trusts now. */
  verifierFor(archive: string, signatures: SignatureFile[]): Promise<Verifier>;
  /** The error for archives that nothing proves; without names, for a file that is no saved bundle. */
  unproven(archives: string[]): KataError;
  /** Whether what a generation has recorded of an archive would prove it now as well. */
  counts(recorded: { digest: string; proof?: Proof | undefined }): boolean;
}
