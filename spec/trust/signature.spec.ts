import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { type Proof, readPolicy, verifierFor } from '../../cli/trust/index.ts';
import { needs } from '../support/needs.ts';
import { ecdsa, minisignKey, opensslKey, rsa } from '../support/signing.ts';

describe('signatures', () => {
  let root: string;
  let file: string;
  beforeEach(function () {
    needs(this, 'minisign', 'openssl');
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-trust-'));
    mkdirSync(join(root, 'etc/kata-sysext/trust.d'), { recursive: true });
    file = join(root, 'kata.tar.zst');
    writeFileSync(file, randomBytes(5000));
  });
  afterEach(() => {
    if (root !== undefined) rmSync(root, { recursive: true });
  });

  const trust = (document: object, name = 'keys.json') =>
    writeFileSync(join(root, 'etc/kata-sysext/trust.d', name), JSON.stringify(document));
  const policy = () => readPolicy(openHost(root, {}));
  const now = new Date('2026-12-01T00:00:00Z');

  async function proven(signature: string, conditions: { fips?: boolean } = {}): Promise<Proof> {
    const verifier = await verifierFor({ name: 'sig', place: signature, content: readFileSync(signature) }, 'kata.tar.zst', {
      policy: await policy(),
      now,
      fips: false,
      ...conditions,
    });
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length; at += 700) verifier.update(bytes.subarray(at, at + 700));
    return verifier.finish();
  }
  const refusal = (signature: string, conditions?: { fips?: boolean }) =>
    proven(signature, conditions).then(
      () => 'accepted',
      (error: KataError) => error.code,
    );

  it('of minisign: the key, its comment, and what minisign accepts', async () => {
    const key = minisignKey(root);
    trust({ keys: [{ name: 'team', kind: 'minisign', key: key.line }] });
    const signature = key.sign(file, 'Kata 4.2.0, für x86_64');
    const proof = await proven(signature);

    assert.equal(proof.key, 'team');
    assert.equal(proof.comment, 'Kata 4.2.0, für x86_64');
    assert.ok(key.accepts(file, signature));
  });

  for (const [title, algorithm] of [
    ['ECDSA', ecdsa],
    ['RSA', rsa],
  ] as const)
    it(`of openssl with ${title}, as it is and as cosign writes it, in FIPS mode too`, async () => {
      const key = opensslKey(root, algorithm);
      trust({ strict: true, keys: [{ name: 'team', kind: 'pem', key: key.pem }] });
      const signature = key.sign(file);
      const asCosign = `${file}.b64`;
      writeFileSync(asCosign, `${readFileSync(signature).toString('base64')}\n`);

      assert.ok(key.accepts(file, signature));
      assert.equal((await proven(signature, { fips: true })).key, 'team');
      assert.equal((await proven(asCosign)).kind, 'pem');
    });

  it('of another key, over other bytes, with another comment, of the old kind: refused', async () => {
    const [key, other] = [minisignKey(root), minisignKey(root, 'other')];
    trust({ keys: [{ name: 'team', kind: 'minisign', key: key.line }] });
    const foreign = readFileSync(other.sign(file));
    writeFileSync(join(root, 'foreign'), foreign);
    const own = readFileSync(key.sign(file), 'utf8');
    writeFileSync(join(root, 'comment'), own.replace('a release', 'b release'));
    const old = key.sign(file, 'old', '-l');
    const oldKind = await refusal(old);
    writeFileSync(join(root, 'good'), own);
    const wasGood = await refusal(join(root, 'good'));
    writeFileSync(file, 'other bytes');

    assert.equal(wasGood, 'accepted');
    assert.equal(await refusal(join(root, 'foreign')), 'signature-key');
    assert.equal(await refusal(join(root, 'comment')), 'signature-wrong');
    assert.equal(oldKind, 'signature-unfit');
    assert.equal(await refusal(join(root, 'good')), 'signature-wrong');
  });

  it('of an expired key is refused, with the day', async () => {
    const key = minisignKey(root);
    trust({ keys: [{ name: 'team', kind: 'minisign', key: key.line, notAfter: '2026-11-30T00:00:00Z' }] });
    await assert.rejects(proven(key.sign(file)), { code: 'signature-key', message: /the key team expired at 2026-11-30/ });
  });

  it('of minisign does not count in FIPS mode where signatures are demanded', async () => {
    const key = minisignKey(root);
    trust({ strict: true, keys: [{ name: 'team', kind: 'minisign', key: key.line }] });
    const signature = key.sign(file);

    assert.equal(await refusal(signature, { fips: true }), 'signature-key');
    assert.equal(await refusal(signature), 'accepted');
  });

  it('that were changed anywhere are accepted only where minisign and openssl accept them', async () => {
    const [key, pem] = [minisignKey(root), opensslKey(root, ecdsa)];
    trust({
      keys: [
        { name: 'a', kind: 'minisign', key: key.line },
        { name: 'b', kind: 'pem', key: pem.pem },
      ],
    });
    const originals = [key.sign(file), pem.sign(file)].map((path) => readFileSync(path));
    for (let mutant = 0; mutant < 150; mutant++) {
      const original = originals[mutant % 2]!;
      const bytes = Buffer.from(original);
      const at = randomBytes(4).readUInt32BE() % bytes.length;
      bytes[at]! ^= 1 << (mutant % 8);
      const path = join(root, 'mutant');
      writeFileSync(path, bytes);
      const judge = mutant % 2 === 0 ? key.accepts(file, path) : pem.accepts(file, path);
      const answer = await refusal(path);
      // The first line of minisign's file is signed by nothing.
      if (answer === 'accepted') assert.ok(judge, `byte ${at} of ${mutant % 2 === 0 ? 'minisign' : 'openssl'}: ${answer}`);
      assert.match(answer, /^(accepted|signature-(unfit|key|wrong))$/);
    }
  });
});

describe('the policy of trust.d', () => {
  const rows: [title: string, text: string][] = [
    ['no JSON', '{'],
    ['a list', '[]'],
    ['strict as a text', '{"strict":"yes"}'],
    ['a key without a name', '{"keys":[{"kind":"minisign","key":"RWQ"}]}'],
    ['a key that is none', '{"keys":[{"name":"a","kind":"minisign","key":"RWQ"}]}'],
    ['a kind that is not known', '{"keys":[{"name":"a","kind":"gpg","key":"x"}]}'],
    ['a private key', '{"keys":[{"name":"a","kind":"pem","key":"-----BEGIN PRIVATE KEY-----\\n"}]}'],
    ['a damaged key', '{"keys":[{"name":"a","kind":"pem","key":"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n"}]}'],
    ['a day that is none', '{"keys":[{"name":"a","kind":"pem","key":"x","notAfter":"soon"}]}'],
    ['a mistyped strict', '{"Strict":true}'],
    ['strict twice', '{"strict":true,"strict":false}'],
    ['a mistyped notAfter', '{"keys":[{"name":"a","kind":"pem","key":"x","notafter":"2020-01-01"}]}'],
    ['__proto__', '{"__proto__":{"strict":false}}'],
    ['a file of 100 kB', `{"strict":true,"x":"${'x'.repeat(100_000)}"}`],
  ];
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-trust-'));
    mkdirSync(join(root, 'etc/kata-sysext/trust.d'), { recursive: true });
  });
  after(() => rmSync(root, { recursive: true }));

  for (const [title, text] of rows)
    it(`${title} stops every installation`, async () => {
      writeFileSync(join(root, 'etc/kata-sysext/trust.d/a.json'), text);

      await assert.rejects(readPolicy(openHost(root, {})), { code: 'trust-unfit' });
    });

  it('that is a link to nowhere stops them as well', async () => {
    mkdirSync(join(root, 'b/etc/kata-sysext'), { recursive: true });
    symlinkSync('/nowhere', join(root, 'b/etc/kata-sysext/trust.d'));

    await assert.rejects(readPolicy(openHost(join(root, 'b'), {})), { code: 'trust-unfit' });
  });

  it('trusts nothing and demands nothing where there is none', async () => {
    assert.deepEqual(await readPolicy(openHost(join(root, 'etc'), {})), { strict: false, keys: [] });
  });
});
