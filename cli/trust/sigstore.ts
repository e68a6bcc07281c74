import { createHash, createVerify } from 'node:crypto';
import { type Bundle, bundleFromJSON } from '@sigstore/bundle';
import { HashAlgorithm } from '@sigstore/protobuf-specs';
import { type SignedEntity, toSignedEntity, Verifier } from '@sigstore/verify';
import { parseJson } from '../documents/index.ts';
import { readJsonText } from '../documents/jsonFile/index.ts';
import { listOf, misfitOf, oneOf, tableOf, textLike } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { fileLimits } from '../host/regular.ts';
import { unfitSignature } from './complaints.ts';
import type { SignatureFile, Signer, Trial, TrustedKey } from './types.ts';

/** A bundle of sigstore, with what signed it. */
export interface SigstoreBundle {
  by: 'key' | 'certificate';
  bundle: Bundle;
  entity: SignedEntity;
}

/** The versions that the library knows; it takes later ones for the last of them. */
const type = /^application\/vnd\.dev\.sigstore\.bundle(?:\+json;version=0\.[123]|\.v0\.3\+json)$/;

/**
 * The library takes the name of a log for a regular expression before it has verified anything: one with operators in it could keep the
 * program busy for hours.
 */
const logName = /^[\w.:/ -]{1,200}$/;

/** Throws `signature-unfit`. */
export function parseBundle(file: SignatureFile): SigstoreBundle {
  const { content, name } = file;
  const needed = 'a bundle of sigstore, version 0.1 to 0.3, as cosign sign-blob --bundle writes it';
  try {
    const value = parseJson(content.toString(), { maxBytes: fileLimits.signature });
    readJsonText(content.toString(), name);
    const bundle = bundleFromJSON(value);
    if (!type.test(bundle.mediaType)) throw unfitSignature(file, 'a bundle of sigstore of another version', needed);
    const names = bundle.verificationMaterial.tlogEntries.flatMap((entry) => signers(entry.inclusionProof?.checkpoint?.envelope ?? ''));
    if (!names.every((each) => logName.test(each))) throw unfitSignature(file, 'a bundle of sigstore with a log of no usual name', needed);
    const { content: signed } = bundle;
    if (signed.$case === 'messageSignature' && signed.messageSignature.messageDigest.algorithm !== HashAlgorithm.SHA2_256)
      throw unfitSignature(file, 'a bundle of sigstore with another digest than SHA-256', needed);
    const by = bundle.verificationMaterial.content.$case === 'publicKey' ? 'key' : 'certificate';
    return { by, bundle, entity: toSignedEntity(bundle) };
  } catch (error) {
    if (error instanceof KataError && error.code === 'signature-unfit') throw error;
    throw unfitSignature(file, 'a file that begins like a bundle of sigstore and is none', needed);
  }
}

/** Behind the empty line of a checkpoint: '— NAME BASE64', a line each (transparency-dev, formats/log). */
function signers(envelope: string): string[] {
  const signatures = envelope.slice(envelope.indexOf('\n\n') + 2);
  return [...signatures.matchAll(/\u2014 (\S+) /g)].map(([, name = '']) => name);
}

export function sigstoreTrial({ bundle, entity }: SigstoreBundle, key: TrustedKey, onlyFips: boolean): Trial {
  const { content } = bundle;
  const hash = createHash('sha256');
  const verifier = createVerify('sha256');
  return {
    update(piece) {
      hash.update(piece);
      verifier.update(piece);
    },
    fits() {
      const found = hash.digest();
      try {
        if (content.$case === 'dsseEnvelope') return states(content.dsseEnvelope, found) ? signed(entity, key, onlyFips) : undefined;
        const { signature, messageDigest } = content.messageSignature;
        if (!messageDigest.digest.equals(found)) return undefined;
        return signed(
          {
            ...entity,
            // The library's own wants the whole file in memory.
            signature: {
              signature,
              compareSignature: (other) => signature.equals(other),
              compareDigest: (other) => found.equals(other),
              verifySignature: (one) => isKnown(one.asymmetricKeyType) && verifier.verify(one, signature),
            },
          },
          key,
          onlyFips,
        );
      } catch {
        // The library throws for what does not fit, and for bytes that it cannot read.
        return undefined;
      }
    },
  };
}

function isKnown(type: string | undefined): boolean {
  return type === 'ec' || type === 'rsa';
}

/** Throws where the bundle was not made by this key, or by this signer. */
function signed(entity: SignedEntity, { key, signer }: TrustedKey, onlyFips: boolean): ReturnType<Trial['fits']> {
  if (signer === undefined) {
    // The key itself is trusted: what a log says of the signature adds nothing.
    const publicKey = () => ({ publicKey: key!, validFor: () => true });
    const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
    new Verifier({ ...none, publicKey }, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }).verify({
      ...entity,
      timestamps: [],
      tlogEntries: [],
    });
    return {};
  }
  const { identity } = new Verifier(onlyFips ? withoutEd25519(signer.root) : signer.root).verify(entity);
  const { subjectAlternativeName = '', extensions: { issuer = '' } = {} } = identity ?? {};
  return isSigner(signer, subjectAlternativeName, issuer) ? { identity: subjectAlternativeName } : undefined;
}

function isSigner({ identity, issuer }: Signer, found: string, foundIssuer: string): boolean {
  const isNamed = identity.endsWith('*') ? found.startsWith(identity.slice(0, -1)) : found === identity;
  return isNamed && foundIssuer === issuer;
}

function withoutEd25519(root: Signer['root']): Signer['root'] {
  const known = ({ publicKey }: Signer['root']['tlogs'][number]) => isKnown(publicKey.asymmetricKeyType);
  return { ...root, tlogs: root.tlogs.filter(known), ctlogs: root.ctlogs.filter(known) };
}

const statement = tableOf({
  _type: oneOf('https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'),
  subject: listOf(tableOf({ digest: tableOf({ sha256: textLike('a sha256 digest', /^[0-9a-f]{64}$/) }) })),
  /** Others may say something bad of the file: a list of its faults is signed as well. */
  predicateType: oneOf('https://slsa.dev/provenance/v1', 'https://sigstore.dev/cosign/sign/v1'),
});

/** Whether the envelope has a statement by in-toto that says where the file comes from. */
function states({ payloadType, payload }: { payloadType: string; payload: Buffer }, found: Buffer): boolean {
  if (payloadType !== 'application/vnd.in-toto+json') return false;
  const value = parseJson(payload.toString(), { maxBytes: fileLimits.signature });
  if (misfitOf(statement, value) !== undefined) return false;
  const { subject } = value as { subject: { digest: { sha256: string } }[] };
  return subject.some((each) => each.digest.sha256 === found.toString('hex'));
}
