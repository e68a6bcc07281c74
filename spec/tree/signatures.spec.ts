import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { json } from '../support/program.ts';
import { minisignKey } from '../support/signing.ts';
import { authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('a host that demands signatures', function () {
  this.timeout(300_000);
  let host: TreeHost;
  let folder: string;
  let [first, second] = ['', ''];
  let key: ReturnType<typeof minisignKey>;
  let server: TlsServer | undefined;

  before(async function () {
    needs(this, 'minisign');
    folder = scratch('signatures');
    const made = await releases();
    [first, second] = [made.first, made.second].map((path) => {
      const copy = join(folder, basename(path));
      copyFileSync(path, copy);
      return copy;
    }) as [string, string];
    key = minisignKey(folder);
    for (const file of [first, second]) key.sign(file);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    host = treeHost('fcos', (root) => {
      put(
        root,
        'etc/kata-sysext/trust.d/team.json',
        JSON.stringify({ strict: true, keys: [{ name: 'team', kind: 'minisign', key: key.line }] }),
      );
    });
  });
  afterEach(async () => {
    host.remove();
    await server?.close();
    server = undefined;
  });

  it('takes what a key of it signed, and says who; an uninstall leaves its keys', async () => {
    const before = host.fingerprint();
    await host.json(['install', first]);
    await host.json(['install', second, '--signature', `${second}.minisig`]);
    const again = await host.json(['install', second]);
    const status = await host.run(['status', '-v']);
    await host.json(['rollback']);
    await host.json(['uninstall', '--purge']);

    assert.equal(again['changed'], false);
    assert.equal(status.stdout.match(/, signed by team/g)?.length, 2, status.stdout);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('refuses what nothing proves, other bytes, a folder of keys that is damaged, and an older release', async () => {
    const bare = join(folder, 'bare.tar.zst');
    const changed = join(folder, 'changed.tar.zst');
    copyFileSync(first, bare);
    copyFileSync(`${first}.minisig`, `${changed}.minisig`);
    const bytes = readFileSync(first);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(changed, bytes);
    const before = host.fingerprint();
    const unsigned = await host.run(['install', bare, '--digest', await digestOf(bare)]);
    const other = await host.run(['install', changed]);
    put(host.path('.'), 'etc/kata-sysext/trust.d/z.json', '{');
    const damaged = await host.run(['install', first]);
    rmSync(host.path('etc/kata-sysext/trust.d/z.json'));
    const untouched = differences(before, host.fingerprint());
    await host.json(['install', second]);
    const older = await host.run(['install', first]);
    const allowed = await host.run(['install', first, '--allow', 'release-older']);

    assert.match(unsigned.stderr, /signature-missing/);
    assert.match(other.stderr, /signature-wrong|bundle-damaged/);
    assert.match(damaged.stderr, /trust-unfit/);
    assert.deepEqual([unsigned.status, other.status, damaged.status], [4, 4, 3]);
    assert.deepEqual(untouched, []);
    assert.equal(older.status, 3, older.stderr);
    assert.match(older.stderr, /release-older/);
    assert.equal(allowed.status, 0, allowed.stderr);
  });

  it('takes an address with its signature and without a digest; the same signature again downloads nothing but itself', async () => {
    server = await serveTls((request, response, count) =>
      sendFile(readFileSync(join(folder, basename(new URL(request.url ?? '', 'https://x').pathname))))(request, response, count),
    );
    const address = `${server.origin}/${basename(first)}`;
    const install = ['install', address, '--signature', `${address}.minisig`, '--ca-file', authority];
    await host.json(install);
    const again = await host.json(install);

    assert.equal(again['changed'], false);
    assert.deepEqual(
      server.seen.map(({ path }) => path.endsWith('.minisig')),
      [true, false, true],
    );
  });

  it('takes no folder, even with a signature over nothing, and nothing on the word of a key that is not trusted any more', async () => {
    const unpacked = join(folder, 'unpacked');
    const nothing = join(folder, 'nothing');
    mkdirSync(unpacked, { recursive: true });
    execFileSync('tar', ['-xf', first, '-C', unpacked]);
    writeFileSync(nothing, '');
    key.sign(nothing);
    const ofFolder = await host.run(['install', unpacked, '--signature', `${nothing}.minisig`]);
    const bare = await host.run(['install', unpacked]);
    await host.json(['install', first]);
    const wrongDigest = await host.run(['install', first, '--digest', `sha256:${'0'.repeat(64)}`]);
    const other = minisignKey(folder, 'other');
    const keys = [{ name: 'team', kind: 'minisign', key: other.line }];
    writeFileSync(host.path('etc/kata-sysext/trust.d/team.json'), JSON.stringify({ strict: true, keys }));
    const replaced = await host.run(['install', first]);

    assert.match(ofFolder.stderr, /signature-missing/);
    assert.match(bare.stderr, /signature-missing/);
    assert.equal(wrongDigest.status, 4, wrongDigest.stderr);
    assert.match(replaced.stderr, /signature-key/);
  });

  it('takes an image that was signed', async () => {
    const image = join(folder, 'kata.raw');
    rmSync(image, { force: true });
    await json(['build', first, '-o', image]);
    key.sign(image);
    host.remove();
    host = treeHost('microos', (root) => {
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
      put(
        root,
        'etc/kata-sysext/trust.d/team.json',
        JSON.stringify({ strict: true, keys: [{ name: 'team', kind: 'minisign', key: key.line }] }),
      );
    });
    await host.json(['install', image, '--backend', 'sysext']);
    const status = await host.run(['status', '-v']);
    await host.json(['uninstall', '--purge']);
    writeFileSync(image, Buffer.concat([readFileSync(image), Buffer.alloc(1)]));
    const changed = await host.run(['install', image, '--backend', 'sysext']);

    assert.match(status.stdout, /signed by team/);
    assert.equal(changed.status, 4, changed.stderr);
  });
});

async function digestOf(file: string): Promise<string> {
  const { digestOfFile } = await import('../../cli/host/regular.ts');
  return digestOfFile(file);
}
