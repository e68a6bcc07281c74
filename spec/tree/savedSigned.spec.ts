import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { json } from '../support/program.ts';
import { seed } from '../support/sample.ts';
import { ecdsa, minisignKey, opensslKey } from '../support/signing.ts';
import { authority, sendFile, serveTls } from '../support/tlsServer.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('a saved bundle with signatures, on a host that demands them', function () {
  this.timeout(300_000);
  let folder: string | undefined;
  let host: TreeHost;
  let [rust, go, newer] = ['', '', ''];
  /** Of both archives, of the newer release, and with one archive that has no signature. */
  let [saved, later, half] = ['', '', ''];
  let keys: object[];
  let team: ReturnType<typeof minisignKey>;

  before(async function () {
    needs(this, 'minisign', 'openssl');
    folder = scratch('saved-signed');
    const made = await releases();
    [rust, newer] = [made.first, made.second].map((path) => {
      const copy = join(folder!, basename(path));
      copyFileSync(path, copy);
      return copy;
    }) as [string, string];
    go = await tinyRelease(join(folder, 'go'), { archive: 'go' });
    team = minisignKey(folder);
    const builds = opensslKey(folder, ecdsa);
    keys = [
      { name: 'team', kind: 'minisign', key: team.line },
      { name: 'builds', kind: 'pem', key: builds.pem },
    ];
    const signatures = [team.sign(rust), builds.sign(go)].flatMap((path) => ['--signature', path]);
    [saved, later, half] = ['kata', 'later', 'half'].map((name) => join(folder!, `${name}.bundle`)) as [string, string, string];
    await json(['bundle', 'save', rust, go, '-o', saved, ...signatures]);
    await json(['bundle', 'save', newer, '-o', later, '--signature', team.sign(newer)]);
    await json(['bundle', 'save', rust, go, '-o', half, ...signatures.slice(0, 2)]);
  });
  removeAfter(() => folder);
  beforeEach(() => {
    host = treeHost('fcos', (root) => {
      put(root, 'etc/kata-sysext/trust.d/team.json', JSON.stringify({ strict: true, keys }));
    });
  });
  afterEach(() => host.remove());

  const install = ['--handler', 'qemu', '--handler', 'qemu-runtime-rs'];

  it('is installed by the signatures in it, which are recorded and shown; a repeated install changes nothing, an uninstall leaves the keys', async () => {
    const before = host.fingerprint();
    await host.json(['install', saved, ...install]);
    const again = await host.json(['install', saved]);
    const status = await host.run(['status', '-v']);
    const shown = await host.json(['status']);
    const { sources } = JSON.parse(readFileSync(host.path('var/lib/kata-sysext/generations/1/manifest.json'), 'utf8')) as {
      sources: { archives: { name: string; digest: string; proof: { key: string; kind: string } }[] }[];
    };
    await host.json(['uninstall', '--purge']);

    assert.equal(again['changed'], false);
    assert.match(status.stdout, new RegExp(`    with: {2}${basename(rust)} sha256:[0-9a-f]{64}, signed by team\n`));
    assert.match(status.stdout, new RegExp(`    with: {2}${basename(go)} sha256:[0-9a-f]{64}, signed by builds\n`));
    assert.deepEqual(
      sources[0]?.archives.map(({ name, digest, proof }) => [name, digest, proof.key, proof.kind]),
      [
        [basename(rust), `sha256:${sha256(readFileSync(rust))}`, 'team', 'minisign'],
        [basename(go), `sha256:${sha256(readFileSync(go))}`, 'builds', 'pem'],
      ],
    );
    const [generation] = shown['generations'] as { sources: { archives: { signedBy: string }[] }[] }[];
    assert.deepEqual(
      generation?.sources[0]?.archives.map(({ signedBy }) => signedBy),
      ['team', 'builds'],
    );
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('with an archive that has no signature is refused and the archive named, from a file and from an address', async () => {
    const before = host.fingerprint();
    const ofFile = await host.run(['install', half, ...install]);
    const server = await serveTls(sendFile(readFileSync(half)));
    const digest = `sha256:${sha256(readFileSync(half))}`;
    const ofAddress = await host.run(['install', `${server.origin}/half.bundle`, '--digest', digest, '--ca-file', authority, ...install]);
    await server.close();

    for (const { status, stderr } of [ofFile, ofAddress]) {
      assert.equal(status, 4, stderr);
      assert.match(stderr, new RegExp(`nothing in it proves ${basename(go)}, [^]*signature-missing`));
    }
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('comes from an address, where a repeated install downloads nothing; its keys have to be trusted still', async () => {
    const server = await serveTls(sendFile(readFileSync(saved)));
    const digest = `sha256:${sha256(readFileSync(saved))}`;
    const words = ['install', `${server.origin}/kata.bundle`, '--digest', digest, '--ca-file', authority];
    await host.json([...words, ...install]);
    const asked = server.seen.length;
    const again = await host.json(words);
    const askedAgain = server.seen.length;
    put(host.path('.'), 'etc/kata-sysext/trust.d/team.json', JSON.stringify({ strict: true, keys: keys.slice(0, 1) }));
    const gone = await host.run(words);
    await server.close();

    assert.equal(again['changed'], false);
    assert.equal(askedAgain, asked);
    assert.equal(gone.status, 4, gone.stderr);
    assert.match(gone.stderr, /signature-key/);
  });

  it('of an older release is refused after a newer one', async () => {
    await host.json(['install', later]);
    const older = await host.run(['install', saved]);
    const back = await host.run(['install', saved, '--allow', 'release-older']);

    assert.equal(older.status, 3, older.stderr);
    assert.match(older.stderr, /release-older/);
    assert.equal(back.status, 0, back.stderr);
  });

  it('of which a byte was changed, or two members changed their places, is refused, and the host stays as it was', async () => {
    const before = host.fingerprint();
    const whole = readFileSync(saved);
    // Behind the document come signatures, and then this archive.
    const begin = whole.indexOf(`archives/${basename(rust)}\0`, 512 + 64 * 1024);
    const mutants: Buffer[] = [];
    let random = seed;
    for (let round = 0; round < 6; round++) {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      const bytes = Buffer.from(whole);
      bytes[begin + 512 + (random % readFileSync(rust).length)]! ^= 1 << (round % 8);
      mutants.push(bytes);
    }
    assert.ok(begin > 0);
    // tar itself takes the file apart and puts it together.
    const parts = join(folder!, 'parts');
    mkdirSync(parts);
    execFileSync('tar', ['-xf', saved, '-C', parts]);
    const members = execFileSync('tar', ['-tf', saved], { encoding: 'utf8' }).trim().split('\n');
    const [first, second] = [join(parts, 'archives', `${basename(rust)}.minisig`), join(parts, 'archives', `${basename(go)}.sig`)];
    writeFileSync(`${first}.kept`, readFileSync(first));
    copyFileSync(second, first);
    copyFileSync(`${first}.kept`, second);
    const swapped = join(folder!, 'swapped.bundle');
    execFileSync('tar', ['--format=ustar', '-cf', swapped, '-C', parts, ...members]);
    const said = [(await host.run(['install', swapped, ...install])).stderr];
    for (const bytes of mutants) {
      writeFileSync(join(folder!, 'mutant.bundle'), bytes);
      const { status, stderr } = await host.run(['install', join(folder!, 'mutant.bundle'), ...install, '--dry-run']);
      assert.equal(status, 4, stderr);
      said.push(stderr);
    }

    for (const stderr of said) assert.match(stderr, /signature-|bundle-/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });
});
