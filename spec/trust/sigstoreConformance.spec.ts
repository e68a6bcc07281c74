import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { readPolicy, verifierFor } from '../../cli/trust/index.ts';
import { beacon, type SuiteCase, sigstoreSuite } from '../support/sigstore/bundles.ts';

const suite = sigstoreSuite();

/** What the suite wants accepted, with the reason why it is not. */
const refusedToo: Record<string, string> = {
  'rekor2-dsse-happy-path': 'the library knows no entries of the kind hashedrekord for statements',
};

describe("sigstore's own suite", () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-conformance-'));
    mkdirSync(join(root, 'etc/kata-sysext/trust.d'), { recursive: true });
  });
  after(() => rmSync(root, { recursive: true }));

  /** Who signed, or the code of the refusal. */
  async function answer({ bundle, artifact = suite.artifact, ...each }: SuiteCase, fips = false): Promise<string> {
    const { identity = beacon.identity, issuer = beacon.issuer } = each;
    writeFileSync(join(root, 'etc/root.json'), suite.roots[each.root] ?? '');
    const by = each.key === undefined ? { identity, issuer, trustedRoot: '/etc/root.json' } : { key: each.key };
    writeFileSync(
      join(root, 'etc/kata-sysext/trust.d/a.json'),
      JSON.stringify({ strict: fips, keys: [{ name: 'beacon', kind: 'sigstore', ...by }] }),
    );
    try {
      const policy = await readPolicy(openHost(root, {}));
      const conditions = { policy, now: new Date('2026-12-01T00:00:00Z'), fips };
      const verifier = await verifierFor({ name: 'bundle', place: '/bundle', content: Buffer.from(bundle) }, 'a.txt', conditions);
      verifier.update(Buffer.from(artifact, 'base64'));
      const proof = verifier.finish();
      return proof.identity ?? proof.key;
    } catch (error) {
      return (error as KataError).code;
    }
  }

  const codes = /^(?:signature-(?:unfit|key|wrong)|trust-unfit)$/;
  for (const each of suite.cases) {
    const isRefused = each.name.endsWith('_fail') || Object.hasOwn(refusedToo, each.name);
    it(`${each.name} is ${isRefused ? 'refused' : 'accepted'}`, async () => {
      const said = await answer(each);

      if (isRefused) assert.match(said, codes);
      else assert.equal(said, each.key === undefined ? (each.identity ?? beacon.identity) : 'beacon');
    });
  }

  it('is refused whole with another identity, another issuer and another file', async () => {
    const accepted = suite.cases.filter(
      ({ name, key }) => key === undefined && !name.endsWith('_fail') && !Object.hasOwn(refusedToo, name),
    );
    const said = [];
    for (const each of accepted) {
      said.push(await answer({ ...each, identity: `${beacon.identity}s` }));
      said.push(await answer({ ...each, identity: 'https://github.com/sigstore/*' }));
      said.push(await answer({ ...each, issuer: 'https://accounts.example.com' }));
      said.push(await answer({ ...each, artifact: '' }));
    }

    assert.ok(accepted.length > 15, `only ${accepted.length}`);
    assert.deepEqual([...new Set(said)], ['signature-wrong']);
  });

  it('counts in FIPS mode without logs that sign with Ed25519', async () => {
    const named = (name: string) => suite.cases.find((each) => each.name === name)!;
    const [ecdsa, ed25519] = [await answer(named('happy-path-v0.3'), true), await answer(named('rekor2-happy-path'), true)];

    assert.deepEqual([ecdsa, ed25519], [beacon.identity, 'signature-wrong']);
  });

  it('is accepted by the beginning of an identity, where the policy says so', async () => {
    const each = suite.cases.find(({ name }) => name === 'happy-path-v0.3')!;
    const said = await answer({ ...each, identity: 'https://github.com/sigstore-conformance/*' });

    assert.equal(said, beacon.identity);
  });
});
