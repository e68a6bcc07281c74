import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bundle, readBundles } from '../../cli/bundle/index.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { withProofs } from '../../cli/planning/choices/proofs.ts';
import type { InstallRequest } from '../../cli/planning/choices/types.ts';
import { archiveProver, readConditions } from '../../cli/trust/index.ts';
import { contentsOf, listed, minisignLine, minisignOf, tinyArchive } from '../support/archives/saved.ts';
import { makeTar, type TarMember } from '../support/archives/tar.ts';
import { eachRound, mutationCount } from '../support/mutations/random.ts';
import { loopMs, seed } from '../support/sample.ts';
import { ecKeys, messageBundle } from '../support/sigstore/bundles.ts';
import { type Bench, makeBench, pathsBelow } from './unpack.ts';

const ed25519 = generateKeyPairSync('ed25519');
const cosign = ecKeys();
const [rust, go] = [tinyArchive('rust.tar'), tinyArchive('go.tar')];
const bytesOf = ({ content = '' }: TarMember) => Buffer.from(content);
const minisig = (of: TarMember, name = of.name, key = ed25519.privateKey): TarMember => ({
  name: `${String(name)}.minisig`,
  content: minisignOf(bytesOf(of), key),
});
const sigstore = (of: TarMember): TarMember => ({
  name: `${String(of.name)}.sigstore.json`,
  content: JSON.stringify(messageBundle(bytesOf(of), cosign)),
});
const document = (...archives: TarMember[]) => contentsOf(archives.map(listed));
const renamed = (archive: TarMember, { name }: TarMember): TarMember => ({ ...archive, name });
const whole = [document(rust, go), minisig(rust), sigstore(go), rust, go];

describe('a saved bundle on a host that demands signatures', function () {
  this.timeout(loopMs);
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
    mkdirSync(join(bench.root, 'etc/kata-sysext/trust.d'), { recursive: true });
    trust();
  });
  afterEach(() => bench.remove());

  function trust(more: object = {}): void {
    const keys = [
      { name: 'team', kind: 'minisign', key: minisignLine(ed25519.publicKey), ...more },
      { name: 'builds', kind: 'sigstore', key: cosign.pem, ...more },
    ];
    writeFileSync(join(bench.root, 'etc/kata-sysext/trust.d/a.json'), JSON.stringify({ strict: true, keys }));
  }
  const put = (file: TarMember[] | Buffer) => writeFileSync(join(bench.root, 'kata.bundle'), Buffer.isBuffer(file) ? file : makeTar(file));
  /** As `install` reads it. */
  async function read(between: () => void = () => undefined): Promise<Bundle> {
    const request = { sources: [join(bench.root, 'kata.bundle')], digests: [], handlers: [] } as unknown as InstallRequest;
    const { sources, provers } = await withProofs(openHost(bench.root, {}), request);
    between();
    return readBundles({ sources, provers, into: bench.into, keep: () => true, emit: () => undefined });
  }
  const refusal = (between?: () => void) =>
    read(between).then(
      () => 'accepted',
      (error: KataError) => `${error.code}: ${error.complaint.found}`,
    );
  /** What was unpacked, by the file system. */
  const unpacked = () =>
    pathsBelow(bench.into)
      .filter((path) => path.includes('.tar') || path.endsWith('VERSION'))
      .map((path) => [path, readFileSync(join(bench.into, path), 'latin1')]);

  it('is proven by the signatures in it, and each archive is recorded with its key', async () => {
    put([...whole, { name: 'settings.json', content: '{"strict":false}' }, { name: 'etc/kata-sysext/trust.d/z.json', content: '{}' }]);
    const { sources } = await read();

    const [source] = sources;
    assert.equal(source?.proof, undefined);
    assert.deepEqual(
      source?.archives?.map(({ name, digest, proof }) => [name, digest, proof?.key, proof?.comment]),
      [
        ['rust.tar', listed(rust).digest, 'team', 'a release'],
        ['go.tar', listed(go).digest, 'builds', undefined],
      ],
    );
    assert.equal(source?.archives?.[0]?.proof?.place, `${join(bench.root, 'kata.bundle')}: archives/rust.tar.minisig`);
    assert.deepEqual(unpacked(), [
      ['VERSION', '4.2.0\n'],
      ['bin/go.tar', 'go.tar'],
      ['bin/rust.tar', 'rust.tar'],
    ]);
  });

  const link = { name: 'archives/rust.tar.minisig', type: '2', linkName: '/etc/passwd' };
  const other = generateKeyPairSync('ed25519').privateKey;
  const [changed, evil] = [tinyArchive('rust.tar', '4.2.0', 'evil'), tinyArchive('evil.tar')];
  /** Those before the first archive is read. */
  const early: [title: string, file: TarMember[] | Buffer, found: RegExp][] = [
    ['without a signature', [document(rust, go), rust, go], /^signature-missing: .*proves rust\.tar, go\.tar, and/],
    ['with a signature of one of two', [document(rust, go), minisig(rust), rust, go], /^signature-missing: .*proves go\.tar, and/],
    [
      'with a further archive that nobody signed',
      [document(rust, evil), minisig(rust), rust, evil],
      /^signature-missing: .*proves evil\.tar,/,
    ],
    ['with the signatures behind the archives', [document(rust), rust, minisig(rust)], /^signature-missing/],
    ['signed by another key', [document(rust), minisig(rust, rust.name, other), rust], /^signature-wrong/],
    ['with a signature that is none', [document(rust), { name: 'archives/rust.tar.sig', content: 'x' }, rust], /^signature-unfit/],
    ['with a signature twice', [document(rust), minisig(rust), minisig(rust), rust], /^bundle-damaged: .*twice/],
    ['with a link for a signature', [document(rust), link, rust], /^bundle-damaged: .*is a symlink/],
    ['with a link for an archive', [document(rust), minisig(rust), { ...link, name: 'archives/rust.tar' }], /^bundle-damaged/],
    [
      'with a signature without end',
      [document(rust), { name: 'archives/rust.tar.minisig', content: Buffer.alloc(70_000, 'u') }, rust],
      /^bundle-damaged: .*too long/,
    ],
    ['that lists an archive twice', [document(rust, rust), minisig(rust), rust], /^bundle-damaged: .*twice/],
    [
      'that lists 65 archives',
      [document(...Array.from({ length: 65 }, (_, at) => tinyArchive(`a${at}.tar`))), rust],
      /^bundle-damaged: .*65 archives/,
    ],
    ['that is no saved bundle', makeTar([{ name: './opt/kata/VERSION', content: '1' }]), /^signature-missing: nothing proves kata\.bundle/],
    ['with the document in second place', [minisig(rust), document(rust), rust], /^signature-missing/],
  ];
  const late: typeof early = [
    ['with the bytes of another archive', [document(changed, go), minisig(rust), sigstore(go), changed, go], /^signature-wrong/],
    [
      'with archives that changed their names',
      [document(renamed(go, rust), renamed(rust, go)), minisig(rust), sigstore(go), renamed(go, rust), renamed(rust, go)],
      /^signature-wrong/,
    ],
    ['with the signature of another archive', [document(rust, go), minisig(go, rust.name), sigstore(go), rust, go], /^signature-wrong/],
    ['with other bytes than it says', [document(rust), minisig(changed), changed], /^bundle-damaged/],
    ['with an archive twice', [document(rust, go), minisig(rust), sigstore(go), rust, rust, go], /^bundle-damaged: .*twice/],
    ['without an archive that it lists', [document(rust, go), minisig(rust), sigstore(go), rust], /^bundle-damaged: .*which is not/],
  ];
  const olds: typeof early = [tinyArchive('go.tar', '4.1.0'), tinyArchive('go.tar', '')].map((old, at) => [
    at === 0 ? 'with a signed archive of an older release' : 'with a signed archive that hides its release',
    [document(rust, old), minisig(rust), sigstore(old), rust, old],
    /^bundle-mixed/,
  ]);
  for (const [title, file, found] of [...early, ...late, ...olds])
    it(`${title} is refused`, async () => {
      put(file);
      const said = await refusal();

      assert.match(said, found);
    });

  for (const [title, file] of early.slice(0, 4))
    it(`${title} is refused before anything of it is unpacked`, async () => {
      put(file);
      await refusal();

      assert.deepEqual(pathsBelow(bench.into), []);
    });

  it('is refused with an expired key, in FIPS mode by a key of Ed25519, and where it was replaced after the first look', async () => {
    put(whole);
    const replaced = await refusal(() => put([document(evil), evil]));
    const other = await refusal(() => put(makeTar([{ name: './opt/kata/VERSION', content: '1' }])));
    put(whole);
    trust({ notAfter: '2020-01-01T00:00:00Z' });
    const expired = await refusal();
    trust();
    mkdirSync(join(bench.root, 'proc/sys/crypto'), { recursive: true });
    writeFileSync(join(bench.root, 'proc/sys/crypto/fips_enabled'), '1\n');
    const fips = await refusal();

    assert.match(replaced, /^signature-missing: .*evil\.tar/);
    assert.match(other, /^signature-missing/);
    assert.match(expired, /^signature-key: .*expired/);
    assert.match(fips, /^signature-key: .*FIPS/);
  });

  it('needs no signature of an archive whose digest a catalogue has, but the very bytes', async () => {
    put([document(rust, go), sigstore(go), rust, go]);
    const conditions = await readConditions(openHost(bench.root, {}));
    const prover = archiveProver(conditions, new Set([listed(rust).digest]), () => assert.fail());
    const asked = {
      sources: [join(bench.root, 'kata.bundle')],
      provers: [prover],
      into: bench.into,
      keep: () => true,
      emit: () => undefined,
    };
    const { sources } = await readBundles(asked);
    rmSync(bench.into, { recursive: true });
    mkdirSync(bench.into);
    put([contentsOf([listed(rust), listed(go)]), sigstore(go), changed, go]);
    const lying = await readBundles(asked).catch((error: KataError) => error.code);

    assert.deepEqual(
      sources[0]?.archives?.map(({ name, proof }) => [name, proof?.key]),
      [
        ['rust.tar', undefined],
        ['go.tar', 'builds'],
      ],
    );
    assert.equal(lying, 'bundle-damaged');
    assert.deepEqual(sources[0]?.archives?.map(prover.counts), [true, true]);
  });

  it(`${Math.ceil(mutationCount / 2)} mutants: refused, or what is unpacked is what was signed (seed ${seed})`, async () => {
    const bytes = makeTar(whole);
    put(bytes);
    await read();
    const wanted = unpacked();
    const said = new Map<string, number>();
    await eachRound(async ({ below, pick }) => {
      const at = below(bytes.length - 512 - 65_536) + 512 + 65_536;
      const block = (each: number) => bytes.subarray(each * 512, each * 512 + 512);
      const flipped = Buffer.from(bytes);
      const place = pick([at, below(2000)]);
      flipped[place]! ^= 1 << below(8);
      const blocks = [129 + below(bytes.length / 512 - 129), 129 + below(bytes.length / 512 - 129)];
      const swapped = Buffer.from(bytes);
      block(blocks[0]!).copy(swapped, blocks[1]! * 512);
      block(blocks[1]!).copy(swapped, blocks[0]! * 512);
      const without = Buffer.concat([bytes.subarray(0, blocks[0]! * 512), bytes.subarray(blocks[0]! * 512 + 512)]);
      put(pick([flipped, flipped, flipped, swapped, without, bytes.subarray(0, at)]));
      rmSync(bench.into, { recursive: true });
      mkdirSync(bench.into);
      const found = await refusal();
      said.set(found.replace(/:.*/s, ''), (said.get(found.replace(/:.*/s, '')) ?? 0) + 1);
      if (found === 'accepted') assert.deepEqual(unpacked(), wanted);
      else assert.match(found, /^(?:bundle|signature)-/);
    }, 2);

    // So that it is no row of mutants that changed nothing.
    if (process.env['KATA_SYSEXT_ROUND'] === undefined) assert.ok(said.size > 1, JSON.stringify([...said]));
  });
});
