import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Keys, openKeys, sign } from '../../scripts/release/sign.ts';
import { removeAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { opensslKey } from '../support/signing.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('the signatures of a release', function () {
  this.timeout(120_000);
  const folder = scratch('release-sign');
  removeAfter(() => folder);
  const file = join(folder, 'SHA256SUMS');
  const ec = (curve: string) => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`];
  const signed = async (keys: Keys, comment: string) => await sign(file, await openKeys(keys), comment);
  before(() => writeFileSync(file, `${'0'.repeat(64)}  file\n`));

  it('are none without a key', async () => {
    const written = await signed({ openssl: undefined, minisign: undefined }, 'comment');

    assert.deepEqual(written, []);
    assert.deepEqual([existsSync(`${file}.sig`), existsSync(`${file}.minisig`)], [false, false]);
  });

  it('are what openssl and minisign themselves verify, and not over other bytes', async function () {
    needs(this, 'openssl', 'minisign');
    const key = opensslKey(folder, ec('P-384'), 'good');
    const [secret, open] = [join(folder, 'minisign.key'), join(folder, 'minisign.pub')];
    execFileSync('minisign', ['-G', '-W', '-s', secret, '-p', open], { stdio: 'ignore' });

    const written = await signed({ openssl: join(folder, 'good.pem'), minisign: secret }, 'of 1.2.3');

    assert.deepEqual(written, [`${file}.sig`, `${file}.minisig`]);
    const minisign = (of: string) => ['-V', '-p', open, '-x', `${file}.minisig`, '-m', of];
    assert.equal(key.accepts(file, `${file}.sig`), true);
    assert.match(execFileSync('minisign', minisign(file), { encoding: 'utf8' }), /Trusted comment: of 1\.2\.3/);
    writeFileSync(join(folder, 'other'), `${'1'.repeat(64)}  file\n`);
    assert.equal(key.accepts(join(folder, 'other'), `${file}.sig`), false);
    assert.throws(() => execFileSync('minisign', minisign(join(folder, 'other')), { stdio: 'pipe' }));
  });

  it('are not made with a key of another kind, or none', async function () {
    needs(this, 'openssl');
    opensslKey(folder, ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'rsa');
    opensslKey(folder, ['-algorithm', 'ED25519'], 'ed25519');
    opensslKey(folder, ec('secp256k1'), 'coin');

    for (const name of ['rsa', 'ed25519', 'coin'])
      await assert.rejects(openKeys({ openssl: join(folder, `${name}.pem`), minisign: undefined }), /is no ECDSA key on P-256/);
    await assert.rejects(openKeys({ openssl: join(folder, 'missing'), minisign: undefined }), /missing is not there/);
  });
});
