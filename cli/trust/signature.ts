import { createHash, createVerify, type KeyObject, verify } from 'node:crypto';
import { KataError } from '../errors/index.ts';
import { digestOf } from '../host/index.ts';
import { trustFolder, unfitSignature } from './complaints.ts';
import type { SigstoreBundle } from './sigstore.ts';
import type { Policy, Proof, SignatureFile, Trial, TrustedKey, Verifier } from './types.ts';

/** What minisign's file has beside the id of its key. */
interface MinisignParts {
  bytes: Buffer;
  comment: string;
  commentSignature: Buffer;
}

/** A signature as its file has it. */
type Signature =
  | { kind: 'minisign'; id: string; parts: MinisignParts }
  | { kind: 'pem'; bytes: Buffer }
  | ({ kind: 'sigstore' } & SigstoreBundle);

export interface Conditions {
  policy: Policy;
  now: Date;
  /** A host in FIPS mode: only ECDSA and RSA count there. */
  fips: boolean;
}

/** What the signature of FILE is called, with FILE before it. */
const suffixes = { minisign: '.minisig', sigstore: '.sigstore.json', pem: '.sig' };
export const signatureSuffixes: readonly string[] = Object.values(suffixes);

export function signatureSuffix(content: Buffer): string {
  return suffixes[kindOf(content)];
}

/**
 * Prepares to verify one file. Throws `signature-unfit` for a file that is no signature, and `signature-key` where no key of the policy, not
 * expired and allowed here, can have made it.
 */
export async function verifierFor(file: SignatureFile, subject: string, conditions: Conditions): Promise<Verifier> {
  const signature = await readers[kindOf(file.content)](file);
  const keys = candidates(signature, file, subject, conditions);
  const digest = digestOf(file.content);
  const trials = await Promise.all(keys.map(async (key) => ({ key, trial: await trialOf(signature, key, conditions) })));
  return {
    signature: digest,
    keyDigests: keys.map((key) => key.digest),
    update: (piece) => {
      for (const { trial } of trials) trial.update(piece);
    },
    finish() {
      for (const { key, trial } of trials) {
        const fit = trial.fits();
        const { name, kind, digest: keyDigest } = key;
        if (fit !== undefined) return { key: name, kind, signature: digest, keyDigest, place: file.place, ...fit };
      }
      throw wrong(subject, file.name, keys);
    },
  };
}

/**
 * Of several signatures of one file, at least one, the first of a key that the host trusts. Throws what prevents the use of the last one where
 * there is no such key.
 */
export async function firstVerifier(files: SignatureFile[], subject: string, conditions: Conditions): Promise<Verifier> {
  let fault: unknown;
  for (const file of files) {
    try {
      return await verifierFor(file, subject, conditions);
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

/** Whether a key of this digest is trusted now. */
export function isTrusted(keyDigest: Proof['keyDigest'], conditions: Conditions): boolean {
  return validNow(allowedHere(conditions.policy.keys, conditions), conditions).some(({ digest }) => digest === keyDigest);
}

function kindOf(content: Buffer): Signature['kind'] {
  const head = content.toString('latin1', 0, 64);
  if (head.startsWith('untrusted comment: ')) return 'minisign';
  return /^\s*\{/.test(head) ? 'sigstore' : 'pem';
}

const readers: { [K in Signature['kind']]: (file: SignatureFile) => Signature | Promise<Signature> } = {
  minisign: minisignSignature,
  pem: pemSignature,
  // Loaded for a bundle only: everything else does without the library.
  sigstore: async (file) => ({ kind: 'sigstore', ...(await import('./sigstore.ts')).parseBundle(file) }),
};

async function trialOf(signature: Signature, trusted: TrustedKey, { policy, fips }: Conditions): Promise<Trial> {
  if (signature.kind === 'sigstore') return (await import('./sigstore.ts')).sigstoreTrial(signature, trusted, policy.strict && fips);
  return signature.kind === 'minisign' ? minisignTrial(signature.parts, trusted.key!) : pemTrial(signature.bytes, trusted.key!);
}

/** The bytes that openssl and cosign write, as they are or in base64. */
function pemSignature(file: SignatureFile): Signature {
  const { content } = file;
  const decoded = base64(content.toString('latin1').trim());
  const bytes = decoded.length > 0 ? decoded : content;
  // From Ed25519 to RSA with 16,384 bits.
  if (bytes.length < 32 || bytes.length > 2048) throw unfitSignature(file, `${content.length} bytes that are no signature`);
  return { kind: 'pem', bytes };
}

/** minisign's four lines. https://jedisct1.github.io/minisign/: the algorithm 'ED' signs the BLAKE2b-512 of the file. */
function minisignSignature(file: SignatureFile): Signature {
  const [, line = '', trusted = '', global = ''] = file.content.toString('latin1').split(/\r?\n/);
  const bytes = base64(line);
  const commentSignature = base64(global);
  if (bytes.length !== 74 || commentSignature.length !== 64 || !trusted.startsWith('trusted comment: '))
    throw unfitSignature(file, 'a file that begins like a signature of minisign and is none');
  const algorithm = bytes.toString('latin1', 0, 2);
  if (algorithm === 'Ed')
    throw unfitSignature(
      file,
      'a signature of the old kind, which needs the whole file in memory',
      'one of minisign 0.10 or later, or made with its option -H',
    );
  if (algorithm !== 'ED') throw unfitSignature(file, 'a signature of minisign of an unknown kind');
  const comment = Buffer.from(trusted.slice('trusted comment: '.length), 'latin1').toString('utf8');
  return { kind: 'minisign', id: bytes.toString('hex', 2, 10), parts: { bytes: bytes.subarray(10), comment, commentSignature } };
}

/** Empty for what is not the one right form: Node itself passes over signs that do not belong there. */
function base64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : Buffer.alloc(0);
}

function canHaveMade(key: TrustedKey, signature: Signature): boolean {
  if (key.kind !== signature.kind) return false;
  if (signature.kind === 'minisign') return key.id === signature.id;
  return signature.kind === 'pem' || (signature.by === 'key') === (key.key !== undefined);
}

function allowedHere(keys: TrustedKey[], { policy, fips }: Conditions): TrustedKey[] {
  const counts = ({ key }: TrustedKey) => key === undefined || ['ec', 'rsa'].includes(key.asymmetricKeyType ?? '');
  return policy.strict && fips ? keys.filter(counts) : keys;
}

function validNow(keys: TrustedKey[], { now }: Conditions): TrustedKey[] {
  return keys.filter(({ notAfter }) => notAfter === undefined || Date.parse(notAfter) > now.getTime());
}

function candidates(signature: Signature, file: SignatureFile, subject: string, conditions: Conditions): TrustedKey[] {
  const { policy, fips } = conditions;
  const fit = policy.keys.filter((key) => canHaveMade(key, signature));
  const allowed = allowedHere(fit, conditions);
  const valid = validNow(allowed, conditions);
  if (valid.length > 0) return valid;
  const expired = allowed.map(({ name, notAfter = '' }) => `the key ${name} expired at ${notAfter}`);
  const forbidden = fit.map(({ name }) => `the key ${name} is of a kind that does not count on a host in FIPS mode`);
  const [why = `no key of trust.d made ${file.name}${signature.kind === 'minisign' ? `, which is of the key ${signature.id}` : ''}`] =
    expired.length > 0 ? expired : forbidden;
  throw new KataError('signature-key', {
    subject,
    found: `${subject}: ${why}`,
    needed:
      policy.strict && fips ? 'a signature of a key in trust.d with ECDSA or RSA' : 'a signature of a key in trust.d that has not expired',
    next: `ls -l ${trustFolder}; docs/guides/signatures.md shows how a key is added`,
  });
}

function wrong(subject: string, name: string, keys: TrustedKey[]): KataError {
  return new KataError('signature-wrong', {
    subject,
    found: `${subject} is not what ${keys.map((key) => key.name).join(' or ')} signed with ${name}`,
    needed: 'the bytes that were signed',
    next: 'fetch the file and its signature again; if that stays so, do not trust their origin',
  });
}

function minisignTrial({ bytes, comment, commentSignature }: MinisignParts, key: KeyObject): Trial {
  const hash = createHash('blake2b512');
  return {
    update: (piece) => void hash.update(piece),
    fits() {
      const isOfFile = verify(null, hash.digest(), key, bytes);
      return isOfFile && verify(null, Buffer.concat([bytes, Buffer.from(comment)]), key, commentSignature) ? { comment } : undefined;
    },
  };
}

function pemTrial(bytes: Buffer, key: KeyObject): Trial {
  const verifier = createVerify('sha256');
  return { update: (piece) => void verifier.update(piece), fits: () => (verifier.verify(key, bytes) ? {} : undefined) };
}
