import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBundles } from '../../cli/bundle/index.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { archivesOf, ownCatalogue, readDocument, refuseConflicts } from '../../cli/releases/index.ts';
import { type Conditions, type Proof, readPolicy, verifierFor } from '../../cli/trust/index.ts';
import { tinyRelease } from '../lab/release/index.ts';
import { minisignLine, minisignOf } from '../support/archives/saved.ts';
import { eachRound, mutationCount, type Random } from '../support/mutations/random.ts';
import { mutatedDocument } from '../support/mutations/values.ts';
import { loopMs, seed } from '../support/sample.ts';
import { beacon, ecKeys, messageBundle, rsaKeys, sigstoreSuite, statementBundle } from '../support/sigstore/bundles.ts';
import { scratch } from '../support/trees/treeHost.ts';

/** A signature as its author made it, with the bytes that it is of. */
interface Signed {
  name: string;
  content: Buffer;
  bytes: Buffer;
  mutate(content: Buffer, random: Random): Buffer;
  /** Whether a mutant that was accepted has the same bytes in all that matters, by another reader than the program's. */
  isSame(mutant: Buffer): boolean;
}

const bytes = randomBytes(3000);
const other = Buffer.concat([bytes.subarray(1), Buffer.from('x')]);
const pem = ecKeys();
const rsa = rsaKeys();
const ed25519 = generateKeyPairSync('ed25519');
const suite = sigstoreSuite();
const happy = suite.cases.find(({ name }) => name === 'happy-path-v0.3')!;

/** Bits, bytes that go, come or change their places. */
function mutatedBytes(content: Buffer, { below, pick }: Random): Buffer {
  const at = below(content.length);
  const length = 1 + below(8);
  const flipped = Buffer.from(content);
  flipped[at]! ^= 1 << below(8);
  return pick([
    flipped,
    flipped,
    content.subarray(0, at),
    content.subarray(at),
    Buffer.concat([content.subarray(0, at), content.subarray(at + length)]),
    Buffer.concat([content.subarray(0, at), Buffer.alloc(length, below(256)), content.subarray(at)]),
    Buffer.concat([content, Buffer.alloc(length, pick([0, 10, 32, 65]))]),
    Buffer.concat([content.subarray(at), content.subarray(0, at)]),
  ]);
}

const ofJson = (content: Buffer, random: Random) => Buffer.from(mutatedDocument(content.toString(), random));

interface Message {
  messageSignature: { signature: string };
}
interface Envelope {
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] };
}
interface Certified extends Message {
  verificationMaterial: { certificate: { rawBytes: string } };
}
const read = <T>(content: Buffer) => JSON.parse(content.toString()) as T;
const raw = (text: string) => Buffer.from(text, 'base64');

const signatures: Signed[] = [
  {
    name: 'minisign',
    content: minisignOf(bytes, ed25519.privateKey, 'Kata 4.2.0'),
    bytes,
    mutate: mutatedBytes,
    isSame: (mutant) => mutant.toString('latin1').split(/\r?\n/)[2] === 'trusted comment: Kata 4.2.0',
  },
  {
    name: 'openssl',
    content: sign('sha256', bytes, pem.secret),
    bytes,
    mutate: mutatedBytes,
    isSame: (mutant) => verify('sha256', bytes, pem.pem, mutant),
  },
  {
    name: 'cosign without a bundle',
    content: Buffer.from(sign('sha256', bytes, rsa.secret).toString('base64')),
    bytes,
    mutate: mutatedBytes,
    isSame: (mutant) => verify('sha256', bytes, rsa.pem, raw(mutant.toString())),
  },
  {
    name: 'a bundle',
    content: Buffer.from(JSON.stringify(messageBundle(bytes, pem))),
    bytes,
    mutate: ofJson,
    isSame: (mutant) => verify('sha256', bytes, pem.pem, raw(read<Message>(mutant).messageSignature.signature)),
  },
  {
    name: 'a statement',
    content: Buffer.from(JSON.stringify(statementBundle(bytes, pem))),
    bytes,
    mutate: ofJson,
    isSame(mutant) {
      const { payload, payloadType, signatures: made } = read<Envelope>(mutant).dsseEnvelope;
      const inside = raw(payload);
      const encoded = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${inside.length} `), inside]);
      return (
        verify('sha256', encoded, pem.pem, raw(made[0]?.sig ?? '')) && inside.includes(createHash('sha256').update(bytes).digest('hex'))
      );
    },
  },
  {
    name: 'a bundle with a certificate',
    content: Buffer.from(happy.bundle),
    bytes: raw(suite.artifact),
    mutate: ofJson,
    isSame(mutant) {
      const [now, before] = [read<Certified>(mutant), read<Certified>(Buffer.from(happy.bundle))];
      return [now, before]
        .map((each) => [raw(each.messageSignature.signature), raw(each.verificationMaterial.certificate.rawBytes)])
        .map((parts) => Buffer.concat(parts).toString('hex'))
        .every((hex, _, all) => hex === all[0]);
    },
  },
];

describe('mutants of what is trusted', function () {
  this.timeout(loopMs);
  let folder: string;
  let conditions: Conditions;
  before(async () => {
    folder = scratch('mutants');
    mkdirSync(join(folder, 'etc/kata-sysext/trust.d'), { recursive: true });
    writeFileSync(join(folder, 'etc/root.json'), suite.roots[happy.root]!);
    const keys = [
      { name: 'minisign', kind: 'minisign', key: minisignLine(ed25519.publicKey) },
      ...[pem, rsa].map((each) => ({ name: 'pem', kind: 'pem', key: each.pem })),
      { name: 'sigstore', kind: 'sigstore', key: pem.pem },
      { name: 'beacon', kind: 'sigstore', ...beacon, trustedRoot: '/etc/root.json' },
    ];
    writeFileSync(join(folder, 'etc/kata-sysext/trust.d/a.json'), JSON.stringify({ keys }));
    conditions = { policy: await readPolicy(openHost(folder, {})), now: new Date('2026-12-01T00:00:00Z'), fips: false };
  });
  after(() => rmSync(folder, { recursive: true }));

  async function answer(content: Buffer, file: Buffer): Promise<Proof | string> {
    try {
      const verifier = await verifierFor({ name: 'sig', place: '/sig', content }, 'kata.tar', conditions);
      verifier.update(file);
      return verifier.finish();
    } catch (error) {
      return (error as KataError).code;
    }
  }

  it(`${mutationCount} signatures: refused, or of the same bytes by the same key with the same comment (seed ${seed})`, async () => {
    const said = new Map<string, number>();
    const [first] = await Promise.all(signatures.map(({ content, ...each }) => answer(content, each.bytes)));
    assert.ok(typeof first === 'object');

    await eachRound(async (random, round) => {
      const { name, content, isSame, mutate, ...each } = signatures[round % signatures.length]!;
      const mutant = mutate(content, random);
      const original = (await answer(content, each.bytes)) as Proof;
      const [found, ofOther] = [await answer(mutant, each.bytes), await answer(mutant, other)];
      assert.match(String(ofOther), /^signature-(?:unfit|key|wrong)$/, name);
      if (typeof found === 'object') {
        assert.ok(isSame(mutant), `${name} was accepted: ${mutant.toString('base64')}`);
        assert.deepEqual([found.key, found.comment, found.identity], [original.key, original.comment, original.identity], name);
      } else assert.match(found, /^signature-(?:unfit|key|wrong)$/, name);
      const kind = typeof found === 'object' ? 'accepted' : found;
      said.set(kind, (said.get(kind) ?? 0) + 1);
    });

    // So that no row refuses everything.
    for (const { name, content, ...each } of signatures) assert.equal(typeof (await answer(content, each.bytes)), 'object', name);
    if (process.env['KATA_SYSEXT_ROUND'] === undefined) assert.ok((said.get('signature-wrong') ?? 0) > 0, JSON.stringify([...said]));
  });

  it(`${Math.ceil(mutationCount / 4)} catalogues: the signature is of other bytes, and what is read is as a catalogue has to be`, async () => {
    const own = ownCatalogue();
    const good = JSON.stringify({
      name: 'team',
      serial: 3,
      notAfter: '2099-01-01T00:00:00Z',
      origin: 'https://m.example.org/a',
      releases: own.releases,
    });
    const signature = sign('sha256', Buffer.from(good), pem.secret);

    await eachRound(async (random) => {
      const mutant = mutatedDocument(good, random);
      const found = await answer(signature, Buffer.from(mutant));
      assert.equal(typeof found, mutant === good ? 'object' : 'string');
      const taken = orCode(() => {
        const document = readDocument(mutant, 'team.json');
        refuseConflicts(document, [own]);
        return document;
      });
      if (typeof taken === 'string') return assert.match(taken, /^catalogue-(?:unfit|conflict)$/);
      // What its author changed is his matter, as long as a known archive stays what it is and no address leads elsewhere.
      for (const release of taken.releases)
        for (const { name, digest, architecture } of release.archives) {
          const known = own.releases
            .flatMap((each) => (each.version === release.version ? each.archives : []))
            .find((each) => each.name === name);
          if (known !== undefined) assert.equal(digest, known.digest);
          assert.match(digest, /^sha256:[0-9a-f]{64}$/);
          const choice = { named: `team@${release.version}`, architecture, handlers: undefined, from: undefined };
          const sources = orCode(() => archivesOf({ ...taken }, choice).sources);
          if (typeof sources !== 'string') for (const source of sources) assert.match(source, /^https:\/\/[^\s?#@]+\/[A-Za-z0-9][\w.+-]*$/);
        }
      return undefined;
    }, 4);
  });

  it(`${Math.ceil(mutationCount / 4)} archives: each is refused, and nothing is taken from it`, async () => {
    const path = await tinyRelease(folder, { compression: 'plain' });
    const archive = readFileSync(path);
    const signature = { name: 'sig', place: '/sig', content: sign('sha256', archive, pem.secret) };
    const unpacked = async (content: Buffer): Promise<string> => {
      writeFileSync(path, content);
      const into = join(folder, 'into');
      mkdirSync(into);
      try {
        const verifier = await verifierFor(signature, 'kata.tar', conditions);
        await readBundles({ sources: [path], into, keep: () => true, verifiers: [verifier], emit: () => undefined });
        return 'accepted';
      } catch (error) {
        return (error as KataError).code;
      } finally {
        rmSync(into, { recursive: true });
      }
    };
    assert.equal(await unpacked(archive), 'accepted');

    await eachRound(async (random) => {
      const mutant = mutatedBytes(archive, random);
      const said = await unpacked(mutant);
      if (mutant.equals(archive)) return;
      assert.match(said, /^(?:signature-wrong|bundle-[a-z-]+)$/);
    }, 4);
  });
});

function orCode<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    return (error as KataError).code;
  }
}
