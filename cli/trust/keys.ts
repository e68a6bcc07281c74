import { createPublicKey, type KeyObject } from 'node:crypto';
import { exactOptional } from 'valibot';
import { absolutePath, closedTableOf, moment, oneOf, type Shaped, text, textLike } from '../documents/shapes.ts';
import { digestOf, type HostPath, type HostView } from '../host/index.ts';
import { unfitPolicy } from './complaints.ts';
import type { Proof, TrustedKey } from './types.ts';

export const keyShape = closedTableOf({
  name: textLike('a name', /^[\w.@ -]{1,64}$/),
  kind: oneOf('minisign', 'pem', 'sigstore'),
  key: exactOptional(text),
  /** Control characters and white space are in no identity; the fixed part is long enough to name one. */
  identity: exactOptional(textLike('an identity, with * at most at its end', /^[^\s*\p{Cc}]{8,1000}\*?$/u)),
  issuer: exactOptional(textLike('an https address', /^https:\/\/[^\s?#@]{1,500}$/)),
  trustedRoot: exactOptional(absolutePath),
  notAfter: exactOptional(moment),
});

export type KeyRow = Shaped<typeof keyShape>;
type Read = Pick<TrustedKey, 'key' | 'id' | 'signer' | 'digest'>;

const fewestRsaBits = 2048;
const signerNames = ['identity', 'issuer', 'trustedRoot'] as const;

/** What a row of trust.d names, ready to be used. Throws `trust-unfit`. */
export async function readKey(host: HostView, row: KeyRow, file: HostPath): Promise<TrustedKey> {
  const { name, kind, key, notAfter } = row;
  const named = signerNames.filter((each) => row[each] !== undefined);
  const isSigner = kind === 'sigstore' && key === undefined;
  if (!isSigner && named.length > 0) throw unfitPolicy(file, `${named.join(', ')} beside a key: either of both says who signs`);
  if (isSigner && named.length < signerNames.length)
    throw unfitPolicy(file, `a signer of sigstore without ${signerNames.filter((each) => row[each] === undefined).join(', ')}`);
  if (!isSigner && key === undefined) throw unfitPolicy(file, `a key of the kind ${kind} without key`);
  const read = isSigner ? await signerOf(host, row) : (kind === 'minisign' ? minisignKey : pemKey)(key!, file);
  return { name, kind, notAfter, file, ...read };
}

/** The line that `minisign -G` prints and keeps in minisign.pub: two letters, 8 bytes of id, 32 bytes of key (minisign's own format). */
function minisignKey(line: string, file: HostPath): Read {
  const bytes = /^[A-Za-z0-9+/]{56}$/.test(line) ? Buffer.from(line, 'base64') : Buffer.alloc(0);
  if (bytes.length !== 42 || bytes.toString('latin1', 0, 2) !== 'Ed') throw unfitPolicy(file, 'the key is no public key of minisign');
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.subarray(10).toString('base64url') };
  return { id: bytes.toString('hex', 2, 10), ...withDigest(() => createPublicKey({ key: jwk, format: 'jwk' }), file) };
}

function pemKey(pem: string, file: HostPath): Read {
  if (!/^-----BEGIN (?:RSA )?PUBLIC KEY-----\s/.test(pem)) throw unfitPolicy(file, 'the key is no public key in the form PEM');
  const read = withDigest(() => createPublicKey(pem), file);
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: { modulusLength = 0 } = {} } = read.key;
  if (!['ec', 'rsa'].includes(type))
    throw unfitPolicy(file, `a key of the kind ${type}; ECDSA and RSA are known, and Ed25519 as a key of minisign`);
  if (type === 'rsa' && modulusLength < fewestRsaBits)
    throw unfitPolicy(file, `an RSA key of ${modulusLength} bits, fewer than ${fewestRsaBits}`);
  return read;
}

async function signerOf(host: HostView, { identity = '', issuer = '', trustedRoot = '' }: KeyRow): Promise<Read> {
  // Loaded for a signer only: everything else does without the library.
  const { readRoot } = await import('./sigstoreRoot.ts');
  const { root, digest } = await readRoot(host, trustedRoot);
  return { signer: { identity, issuer, root }, digest: digestOf(Buffer.from(JSON.stringify([identity, issuer, digest]))) };
}

function withDigest(read: () => KeyObject, file: HostPath): { key: KeyObject; digest: Proof['keyDigest'] } {
  try {
    const key = read();
    return { key, digest: digestOf(key.export({ type: 'spki', format: 'der' })) };
  } catch (error) {
    throw unfitPolicy(file, 'the key cannot be read', error);
  }
}
