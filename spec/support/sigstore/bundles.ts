import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** The cases of sigstore's own suite for clients, with bundles of the public instance and of the staging one; `source` says where they are from. */
export interface Suite {
  source: string;
  /** In base64; of the cases that have none. */
  artifact: string;
  roots: Record<string, string>;
  cases: SuiteCase[];
}

/** A name that ends with `_fail` has to be refused. */
export interface SuiteCase {
  name: string;
  bundle: string;
  /** A key of `roots`. */
  root: string;
  artifact?: string;
  identity?: string;
  issuer?: string;
  key?: string;
}

export function sigstoreSuite(): Suite {
  return JSON.parse(gunzipSync(readFileSync(join(import.meta.dirname, 'conformance.json.gz'))).toString()) as Suite;
}

/** Who signed the bundles of the suite that say nothing else. */
export const beacon = {
  identity:
    'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main',
  issuer: 'https://token.actions.githubusercontent.com',
};

export interface Keys {
  pem: string;
  secret: KeyObject;
}

export function ecKeys(): Keys {
  return withPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
}

export function rsaKeys(): Keys {
  return withPem(generateKeyPairSync('rsa', { modulusLength: 2048 }));
}

function withPem({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): Keys {
  return { pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), secret: privateKey };
}

const head = {
  mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  verificationMaterial: { publicKey: { hint: 'a hint' } },
};

/** A bundle as `cosign sign-blob --key` writes it. */
export function messageBundle(bytes: Buffer, { secret }: Keys) {
  const digest = createHash('sha256').update(bytes).digest('base64');
  const signature = sign('sha256', bytes, secret).toString('base64');
  return { ...head, messageSignature: { messageDigest: { algorithm: 'SHA2_256', digest }, signature } };
}

const provenance = 'https://slsa.dev/provenance/v1';

/** A bundle as `cosign attest-blob --key` writes it. */
export function statementBundle(bytes: Buffer, { secret }: Keys, predicateType = provenance) {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType,
      subject: [{ name: 'a', digest: { sha256 } }],
      predicate: {},
    }),
  );
  const payloadType = 'application/vnd.in-toto+json';
  // The DSSE protocol's pre-authentication encoding.
  const encoded = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
  const signatures = [{ sig: sign('sha256', encoded, secret).toString('base64') }];
  return { ...head, dsseEnvelope: { payload: payload.toString('base64'), payloadType, signatures } };
}
