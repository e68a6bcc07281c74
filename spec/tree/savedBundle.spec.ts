import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { type SpdxRead, spdxFaults } from '../support/judges/spdx.ts';
import { json, run } from '../support/program.ts';
import { seed } from '../support/sample.ts';
import { authority, sendFile, serveTls } from '../support/tlsServer.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('a saved bundle', function () {
  this.timeout(300_000);
  let folder: string;
  let [rust, go, saved] = ['', '', ''];
  let made: Record<string, unknown>;
  let host: TreeHost;

  before(async () => {
    folder = scratch('saved');
    rust = (await releases()).first;
    go = await tinyRelease(join(folder, 'go'), { archive: 'go' });
    saved = join(folder, 'kata.bundle');
    writeFileSync(join(folder, 'program'), '#!/bin/sh\necho the program\n', { mode: 0o755 });
    made = await json(['bundle', 'save', rust, go, '-o', saved, '--program', join(folder, 'program')]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  it('is a tar archive with the very files in it, the same bytes each time', async () => {
    const again = join(folder, 'again.bundle');
    await json(['bundle', 'save', rust, go, '-o', again, '--program', join(folder, 'program')]);
    const names = execFileSync('tar', ['-tf', saved], { encoding: 'utf8' }).trim().split('\n');
    const archive = execFileSync('tar', ['-xOf', saved, `archives/${basename(rust)}`], { maxBuffer: 1 << 28 });
    const program =
      execFileSync('tar', ['-xf', saved, '-C', folder, 'kata-sysext']) && execFileSync(join(folder, 'kata-sysext'), { encoding: 'utf8' });

    const members = names.filter((name) => !name.startsWith('notices/'));
    assert.deepEqual(members, ['kata-sysext-bundle.json', `archives/${basename(rust)}`, `archives/${basename(go)}`, 'kata-sysext']);
    assert.deepEqual(archive, readFileSync(rust));
    assert.equal(program, 'the program\n');
    assert.deepEqual(readFileSync(again), readFileSync(saved));
    assert.equal(made['digest'], `sha256:${sha256(readFileSync(saved))}`);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('has an SPDX document of archives, program and components, licences, sources and an offer, all listed with digests', async () => {
    const names = execFileSync('tar', ['-tf', saved], { encoding: 'utf8' }).trim().split('\n');
    const textOf = (name: string) => execFileSync('tar', ['-xOf', saved, `notices/${name}`], { encoding: 'utf8' });

    const document = textOf('kata.spdx.json');

    const listed = made['notices'] as { name: string; digest: string }[];
    const { packages } = JSON.parse(document) as SpdxRead;
    const inside = JSON.parse(execFileSync('tar', ['-xOf', saved, 'kata-sysext-bundle.json'], { encoding: 'utf8' })) as object;
    assert.deepEqual(
      names.filter((name) => name.startsWith('notices/')),
      listed.map(({ name }) => `notices/${name}`),
    );
    assert.deepEqual(
      listed.map(({ name }) => `sha256:${sha256(Buffer.from(textOf(name)))}`),
      listed.map(({ digest }) => digest),
    );
    assert.deepEqual((inside as { notices: object[] }).notices, listed);
    assert.deepEqual(spdxFaults(document, '2.3'), []);
    assert.deepEqual(
      packages.flatMap(({ name, checksums = [] }) => checksums.map(({ checksumValue }) => [name, checksumValue])),
      [
        [basename(rust), sha256(readFileSync(rust))],
        [basename(go), sha256(readFileSync(go))],
        ['kata-sysext', sha256(readFileSync(join(folder, 'program')))],
      ],
    );
    assert.ok(
      ['qemu', 'linux', 'firecracker', 'kata-shim-go', 'kata-shim-rust', 'kata-agent'].every((name) =>
        packages.some((each) => each.name === name),
      ),
    );
    assert.match(textOf('SOURCES'), /^qemu \| 7\.2\.0 \| GPL-2\.0-only/m);
  });

  it('of archives that are no release is saved without a document, and says so', async () => {
    const other = join(folder, 'other.tar');
    writeFileSync(join(folder, 'note'), 'no release\n');
    execFileSync('tar', ['-cf', other, '-C', folder, 'note']);

    const ran = await run(['bundle', 'save', other, '-o', join(folder, 'other.bundle'), '--progress', 'plain']);

    assert.equal(ran.status, 0, ran.stderr);
    assert.match(ran.stderr, /without SPDX document and licences/);
    assert.doesNotMatch(execFileSync('tar', ['-tf', join(folder, 'other.bundle')], { encoding: 'utf8' }), /notices/);
  });

  it('is installed with the handlers of both archives, upgraded to, repeated, and uninstalled byte for byte', async () => {
    const before = host.fingerprint();
    await host.json(['install', saved, '--digest', String(made['digest']), '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
    const again = await host.json(['install', saved]);
    const verified = await host.run(['verify']);
    await host.json(['uninstall', '--purge']);

    assert.equal(again['changed'], false);
    assert.equal(verified.status, 0, verified.stderr);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('comes from an address as well', async () => {
    const server = await serveTls(sendFile(readFileSync(saved)));
    try {
      await host.json(['install', `${server.origin}/kata.bundle`, '--digest', String(made['digest']), '--ca-file', authority]);
    } finally {
      await server.close();
    }
  });

  it('that was damaged anywhere is refused, and the host stays as it was', async () => {
    const before = host.fingerprint();
    const whole = readFileSync(saved);
    const begin = 512 + 64 * 1024;
    let random = seed;
    for (let round = 0; round < 12; round++) {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      // The program at the end is not read by an installation.
      const end = whole.indexOf('#!/bin/sh') - 512;
      // Not the document in front: it also says what nothing depends on.
      const at = begin + (random % (end - begin));
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1 << (round % 8);
      const mutant = join(folder, 'mutant.bundle');
      writeFileSync(mutant, bytes);
      const { status, stderr } = await host.run(['install', mutant, '--dry-run']);
      const padding = whole[at] === 0 || whole[at] === 0x20;
      assert.ok(status === 4 || (padding && status === 0), `byte ${at} (seed ${seed}): ${status} ${stderr}`);
    }
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('of two releases, or without an archive that it lists, is refused', async () => {
    const mixed = join(folder, 'mixed.bundle');
    const lacking = join(folder, 'lacking.bundle');
    await json(['bundle', 'save', rust, (await releases()).second, '-o', mixed]);
    const whole = readFileSync(saved);
    const second = whole.indexOf(`archives/${basename(go)}`, 512 + 64 * 1024);
    writeFileSync(lacking, Buffer.concat([whole.subarray(0, second), Buffer.alloc(1024)]));
    const ofTwo = await host.run(['install', mixed]);
    const half = await host.run(['install', lacking]);

    assert.match(ofTwo.stderr, /bundle-mixed/);
    assert.match(half.stderr, /bundle-damaged/);
  });

  it('is not made over a file, of two archives of one name, or of a wrong digest', async () => {
    const taken = await run(['bundle', 'save', rust, '-o', saved]);
    const twice = await run(['bundle', 'save', rust, rust, '-o', join(folder, 'x')]);
    const wrong = await run(['bundle', 'save', rust, '-o', join(folder, 'x'), '--digest', `sha256:${'0'.repeat(64)}`]);
    const unsigned = await run(['bundle', 'save', 'https://localhost:1/a.tar', '-o', join(folder, 'x'), '--signature', rust]);
    const junk = await run(['bundle', 'save', join(folder, 'program'), '-o', join(folder, 'x')]);
    const word = await run(['bundle', 'sav', rust, '-o', join(folder, 'x')]);

    assert.deepEqual(
      [taken, twice, wrong, word, unsigned, junk].map(({ status }) => status),
      [2, 2, 4, 2, 2, 2],
    );
    assert.ok(!readdirSync(folder).includes('x'));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    );
  });
});
