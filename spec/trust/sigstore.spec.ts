import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { type Proof, readPolicy, verifierFor } from '../../cli/trust/index.ts';
import { beacon, ecKeys, messageBundle, rsaKeys, sigstoreSuite, statementBundle } from '../support/sigstore/bundles.ts';

const bytes = randomBytes(5000);
const keys = ecKeys();

describe('a bundle of sigstore', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-sigstore-'));
    mkdirSync(join(root, 'etc/kata-sysext/trust.d'), { recursive: true });
    trust({ key: keys.pem });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const trust = (row: object, strict = false) =>
    writeFileSync(
      join(root, 'etc/kata-sysext/trust.d/keys.json'),
      JSON.stringify({ strict, keys: [{ name: 'team', kind: 'sigstore', ...row }] }),
    );

  async function proven(bundle: object | string, file = bytes, fips = false): Promise<Proof> {
    const content = Buffer.from(typeof bundle === 'string' ? bundle : JSON.stringify(bundle));
    const conditions = { policy: await readPolicy(openHost(root, {})), now: new Date('2026-12-01T00:00:00Z'), fips };
    const verifier = await verifierFor({ name: 'sig', place: '/sig', content }, 'kata.tar.zst', conditions);
    for (let at = 0; at < file.length; at += 700) verifier.update(file.subarray(at, at + 700));
    return verifier.finish();
  }
  const answer = (...args: Parameters<typeof proven>) =>
    proven(...args).then(
      () => 'accepted',
      (error: KataError) => error.code,
    );

  it('with a key is accepted over the bytes that were signed, as a signature and as a statement of their origin', async () => {
    const proof = await proven(messageBundle(bytes, keys));
    const statement = await proven(statementBundle(bytes, keys));
    const others = rsaKeys();
    trust({ key: others.pem }, true);
    const inFips = await proven(messageBundle(bytes, others), bytes, true);

    assert.deepEqual([proof.key, proof.kind, proof.place, proof.identity], ['team', 'sigstore', '/sig', undefined]);
    assert.equal(statement.keyDigest, proof.keyDigest);
    assert.notEqual(statement.signature, proof.signature);
    assert.equal(inFips.key, 'team');
  });

  it('over other bytes, of another key, of an expired key and without a key of its kind is refused', async () => {
    const [bundle, statement] = [messageBundle(bytes, keys), statementBundle(bytes, keys)];
    const other = Buffer.from(bytes);
    other[4999]! ^= 1;
    const ofBytes = [await answer(bundle, other), await answer(statement, other), await answer(messageBundle(other, keys))];
    const ofKey = [await answer(messageBundle(bytes, ecKeys())), await answer(statementBundle(bytes, ecKeys()))];
    trust({ key: keys.pem, notAfter: '2026-11-30T00:00:00Z' });
    const expired = await answer(bundle);
    trust({ key: keys.pem, kind: 'pem' });
    const ofPem = await answer(bundle);

    assert.deepEqual([...new Set([...ofBytes, ...ofKey])], ['signature-wrong']);
    assert.deepEqual([expired, ofPem], ['signature-key', 'signature-key']);
  });

  it('that names another digest than the file has, or is signed over another digest than SHA-256, is refused', async () => {
    const { messageSignature, ...rest } = messageBundle(bytes, keys);
    const digestOfOther = messageBundle(Buffer.from('other'), keys).messageSignature.messageDigest.digest;
    const other = { ...messageSignature, messageDigest: { algorithm: 'SHA2_256', digest: digestOfOther } };
    const sha512 = { ...messageSignature, messageDigest: { ...messageSignature.messageDigest, algorithm: 'SHA2_512' } };

    assert.equal(await answer({ ...rest, messageSignature: other }), 'signature-wrong');
    assert.equal(await answer({ ...rest, messageSignature: sha512 }), 'signature-unfit');
  });

  it('with a statement that says something else of the file than its origin is refused', async () => {
    const faults = statementBundle(bytes, keys, 'https://in-toto.io/attestation/vulns/v0.1');
    const { dsseEnvelope, ...rest } = statementBundle(bytes, keys);
    const text = { ...dsseEnvelope, payloadType: 'text/plain' };

    assert.equal(await answer(faults), 'signature-wrong');
    assert.equal(await answer({ ...rest, dsseEnvelope: text }), 'signature-wrong');
  });

  it('with a certificate counts for signers only, and one with a key for keys only', async () => {
    const { cases, roots } = sigstoreSuite();
    const happy = cases.find(({ name }) => name === 'happy-path-v0.3')!;
    const ofKey = await answer(happy.bundle);
    writeFileSync(join(root, 'etc/root.json'), roots[happy.root]!);
    trust({ ...beacon, trustedRoot: '/etc/root.json' });
    const ofSigner = await answer(messageBundle(bytes, keys));

    assert.deepEqual([ofKey, ofSigner], ['signature-key', 'signature-key']);
  });

  const { cases } = sigstoreSuite();
  const logged = cases.find(({ name }) => name === 'happy-path-v0.3')!.bundle;
  const good = JSON.stringify(messageBundle(bytes, keys));
  const rows: [title: string, text: string][] = [
    ['an empty table', '{}'],
    ['half a table', good.slice(0, -9)],
    ['a key twice', good.replace('"mediaType"', '"mediaType":"a","mediaType"')],
    ['__proto__', good.replace('"mediaType"', '"__proto__":{},"mediaType"')],
    ['a list', good.replace(/"verificationMaterial":\{.*?\}\}/, '"verificationMaterial":[]')],
    ['nothing that signed', good.replace(/"verificationMaterial":\{.*?\}\},/, '')],
    ['a later version', good.replace('.v0.3+json', '.v0.9+json')],
    ['100 kB', good.replace('a hint', 'x'.repeat(100_000))],
    ['tables in tables', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
    // Taken for a regular expression, this name keeps a processor busy for years.
    [
      'a log whose name has operators',
      logged.replace(/\u2014 rekor\.sigstore\.dev|\\u2014 rekor\.sigstore\.dev/g, '\u2014 (.*.*.*.*.*.*.*.*.*.*.*.*)*#'),
    ],
    ['a certificate that is none', logged.replace(/("rawBytes": ?")[^"]{40}/, '$1MIIB')],
  ];
  for (const [title, text] of rows)
    it(`of ${title} is no signature`, async () => {
      assert.equal(await answer(text), 'signature-unfit');
    });
});

describe('the signers of trust.d', () => {
  const { cases, roots } = sigstoreSuite();
  const trusted = roots[cases.find(({ name }) => name === 'happy-path-v0.3')!.root]!;
  const without = (key: string) => JSON.stringify({ ...(JSON.parse(trusted) as object), [key]: undefined });
  const full = { ...beacon, trustedRoot: '/etc/root.json' };
  const rows: [title: string, row: object, root: string | undefined][] = [
    ['no key and no signer', {}, trusted],
    ['no issuer', { ...full, issuer: undefined }, trusted],
    ['no root', { ...full, trustedRoot: undefined }, trusted],
    ['a key as well', { ...full, key: ecKeys().pem }, trusted],
    ['an identity that is any', { ...full, identity: '*' }, trusted],
    ['an identity with * in the middle', { ...full, identity: 'https://example.com/*/main' }, trusted],
    ['an issuer without https', { ...full, issuer: 'http://example.com' }, trusted],
    ['a root that is not there', full, undefined],
    ['a root that is no JSON', full, '{'],
    ['a root without authorities', full, without('certificateAuthorities')],
    ['a root without logs', full, without('tlogs')],
    [
      'a root with a damaged certificate',
      full,
      trusted.replaceAll('"rawBytes": "MII', '"rawBytes": "AAA').replaceAll('"rawBytes":"MII', '"rawBytes":"AAA'),
    ],
    ['a root of 300 kB', full, `${trusted}${' '.repeat(300_000)}`],
  ];
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-signers-'));
    mkdirSync(join(root, 'etc/kata-sysext/trust.d'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (row: object, content: string | undefined) => {
    writeFileSync(join(root, 'etc/kata-sysext/trust.d/a.json'), JSON.stringify({ keys: [{ name: 'a', kind: 'sigstore', ...row }] }));
    if (content !== undefined) writeFileSync(join(root, 'etc/root.json'), content);
  };

  it('are read, and another root is another signer', async () => {
    write(full, trusted);
    const [first] = (await readPolicy(openHost(root, {}))).keys;
    write(full, `${trusted}\n`);
    const [second] = (await readPolicy(openHost(root, {}))).keys;

    assert.equal(first?.signer?.identity, beacon.identity);
    assert.notEqual(first?.digest, second?.digest);
  });

  for (const [title, row, content] of rows)
    it(`with ${title} stop every installation`, async () => {
      write(row, content);

      await assert.rejects(readPolicy(openHost(root, {})), { code: 'trust-unfit' });
    });
});
