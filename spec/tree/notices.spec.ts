import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { manifestIn, treeSeen, whileMounted, withManifest } from '../support/judges/images.ts';
import { type SpdxRead, spdxFaults } from '../support/judges/spdx.ts';
import { json } from '../support/program.ts';
import { authority, sendFile, serveTls } from '../support/tlsServer.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const sbomPath = 'usr/share/os-manifests/package-manifest.kata.spdx.json';
const licences = 'usr/share/licenses/kata';
const sha1 = (path: string) => createHash('sha1').update(readFileSync(path)).digest('hex');

interface Said {
  contents: { path: string; kind: string; mode: number; digest?: string; sizeBytes?: number; context: string }[];
  filesystem: { sizeBytes: number };
}

function withSystemd(root: string): void {
  put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
  put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
}

/** Each file of a document with its two digests. */
function filesOf(text: string): string[] {
  const { files = [] } = JSON.parse(text) as SpdxRead;
  return files.map(({ fileName, checksums }) => `${fileName} ${checksums.map(({ checksumValue }) => checksumValue).join(' ')}`).sort();
}

/** The same of a folder, by find, sha256sum and Node's SHA-1. */
function filesIn(folder: string): string[] {
  const files = treeSeen(folder).filter(({ kind }) => kind === 'file');
  return files.map(({ path, digest }) => `./${path} ${sha1(join(folder, path))} ${digest?.slice('sha256:'.length)}`).sort();
}

describe('what is passed on with a payload', function () {
  this.timeout(900_000);
  let folder: string;
  let host: TreeHost;
  const at = (name: string) => join(folder, name);
  const sbom = async (...args: string[]) => {
    const ran = await host.run(['status', '--sbom', ...args]);
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout;
  };

  before(() => {
    folder = scratch('notices');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    host = treeHost('microos', withSystemd);
  });
  afterEach(() => host.remove());

  for (const format of ['squashfs', 'erofs'])
    it(`${format}: an image has a valid SPDX document of its files, texts of licences, sources and an offer`, async () => {
      const { first } = await releases();
      const file = at(`kata.${format}`);
      await json(['build', first, '-o', file, '--format', format]);

      const seen = whileMounted(format, file, (tree) => ({
        text: readFileSync(join(tree, sbomPath), 'utf8'),
        files: filesIn(join(tree, 'usr/share/kata')),
        licences: readdirSync(join(tree, licences)).sort(),
        sources: readFileSync(join(tree, licences, 'SOURCES'), 'utf8'),
      }));

      assert.deepEqual(spdxFaults(seen.text, '2.2'), []);
      assert.deepEqual(filesOf(seen.text), seen.files);
      assert.equal((JSON.parse(seen.text) as SpdxRead).creationInfo.created, '1970-01-01T00:00:00Z');
      assert.ok(['GPL-2.0.txt', 'Linux-syscall-note.txt', 'SOURCES', 'WRITTEN-OFFER'].every((name) => seen.licences.includes(name)));
      assert.match(seen.sources, /^qemu \| 7\.2\.0 \| GPL-2\.0-only .* \| NOASSERTION \| offer/m);
    });

  it('status --sbom has the files of the active payload, as a folder and as an image, in both versions of SPDX', async () => {
    const { first, second } = await releases();
    await json(['build', second, '-o', at('second.raw')]);
    await host.json(['install', first, '--backend', 'sysext']);
    const tree = host.path(readlinkSync(host.path('etc/extensions/kata')).slice(1));

    const [old, again, ofFolder] = [await sbom('--spdx', '2.2'), await sbom('--spdx', '2.2'), await sbom()];
    await host.json(['install', at('second.raw')]);
    const ofImage = await sbom();

    const inside = whileMounted('squashfs', at('second.raw'), (mounted) => filesIn(join(mounted, 'usr/share/kata')));
    assert.deepEqual([spdxFaults(old, '2.2'), spdxFaults(ofFolder, '2.3'), spdxFaults(ofImage, '2.3')], [[], [], []]);
    assert.equal(old, again);
    assert.deepEqual(filesOf(ofFolder), filesIn(join(tree, 'usr/share/kata')));
    assert.deepEqual(filesOf(ofImage), inside);
    assert.match(ofImage, /"name": "kata-agent"/);
  });

  it('status --sbom refuses a payload whose bytes changed, and a host without Kata', async () => {
    const { first } = await releases();
    const none = await host.run(['status', '--sbom']);
    await host.json(['install', first, '--backend', 'sysext']);
    const tree = host.path(readlinkSync(host.path('etc/extensions/kata')).slice(1));
    writeFileSync(join(tree, 'usr/share/kata/bin/virtiofsd'), 'other bytes\n');

    const changed = await host.run(['status', '--sbom']);
    const together = await host.run(['status', '--sbom', '--json']);

    assert.match(`${none.status} ${none.stderr}`, /^[1-9]\d* .*nothing-installed/s);
    assert.match(`${changed.status} ${changed.stderr}`, /^3 .*virtiofsd has other bytes/s);
    assert.equal(changed.stdout, '');
    assert.equal(together.status, 2);
  });

  it('notices writes the same files below a root, never through a link and never over other bytes', async () => {
    const { first } = await releases();
    await host.json(['install', first, '--backend', 'sysext']);
    const [out, linked] = [at('out'), at('linked')];
    mkdirSync(join(linked, 'usr/share'), { recursive: true });
    symlinkSync(at('elsewhere'), join(linked, 'usr/share/licenses'));

    const made = (await host.json(['notices', '-o', out])) as unknown as { files: { name: string; digest: string }[] };
    const again = await host.run(['notices', '-o', out]);
    writeFileSync(join(out, licences, 'SOURCES'), 'mine\n');
    const over = await host.run(['notices', '-o', out]);
    const through = await host.run(['notices', '-o', linked]);

    const written = treeSeen(out).filter(({ kind }) => kind === 'file');
    assert.deepEqual(
      made.files.map(({ name }) => name).sort(),
      written.map(({ path }) => path),
    );
    assert.deepEqual(spdxFaults(readFileSync(join(out, sbomPath), 'utf8'), '2.2'), []);
    assert.equal(filesOf(readFileSync(join(out, sbomPath), 'utf8')).length > 5, true);
    assert.equal(again.status, 0);
    assert.match(`${over.status} ${over.stderr}`, /^2 .*SOURCES is there already, with other bytes/s);
    assert.match(`${through.status} ${through.stderr}`, /^2 .*licenses is no folder/s);
    assert.equal(existsSync(at('elsewhere')), false);
  });

  it('notices of archives has their components, at the same places, and no files', async () => {
    const { first } = await releases();
    const out = at('of-archive');

    const made = (await json(['notices', first, '-o', out])) as unknown as { files: { name: string }[] };
    const missing = await host.run(['notices', at('absent.tar.zst'), '-o', out]);

    const text = readFileSync(join(out, sbomPath), 'utf8');
    assert.deepEqual(
      made.files.map(({ name }) => name).sort(),
      treeSeen(out)
        .filter(({ kind }) => kind === 'file')
        .map(({ path }) => path),
    );
    assert.deepEqual([spdxFaults(text, '2.2'), filesOf(text)], [[], []]);
    assert.match(text, /"name":\s*"virtiofsd"/);
    assert.equal(existsSync(join(out, licences, 'WRITTEN-OFFER')), true);
    assert.notEqual(missing.status, 0);
  });

  it('notices writes below the root of an OS image that has Kata baked in', async () => {
    host.remove();
    host = treeHost('fcos');
    const { first } = await releases();
    await host.json(['install', first, '--backend', 'baked'], 0, { env: { SOURCE_DATE_EPOCH: '1767225600' } });
    const payloads = host.path('usr/libexec/kata-sysext/tree');

    await host.json(['notices', '-o', host.root]);

    const text = readFileSync(host.path(sbomPath), 'utf8');
    const [payload] = readdirSync(payloads);
    assert.deepEqual(spdxFaults(text, '2.2'), []);
    assert.deepEqual(filesOf(text), filesIn(join(payloads, payload!, 'usr/share/kata')));
    assert.equal((JSON.parse(text) as SpdxRead).creationInfo.created, '2026-01-01T00:00:00Z');
  });

  it('an image whose manifest has further files at other places, or a program among the licences, is refused', async () => {
    const { first } = await releases();
    await json(['build', first, '-o', at('good.raw')]);
    const { manifest } = manifestIn<Said>(readFileSync(at('good.raw')));
    const filesystem = readFileSync(at('good.raw')).subarray(0, manifest.filesystem.sizeBytes);
    const text = manifest.contents.find(({ path }) => path === `${licences}/SOURCES`)!;
    const others: Partial<Said['contents'][number]>[] = [
      { path: 'usr/bin/kata-evil' },
      { path: `${licences}/deeper/SOURCES` },
      { path: 'usr/share/licenses/other' },
      { path: 'usr/share/os-manifests/package-manifest.other.spdx.json' },
      { path: `${licences}/program`, mode: 0o755 },
      { path: `${licences}/huge`, sizeBytes: 2 ** 40 },
    ];

    const refused: string[] = [];
    for (const [index, other] of others.entries()) {
      const contents = [...manifest.contents, { ...text, ...other }].sort((a, b) => (a.path < b.path ? -1 : 1));
      writeFileSync(at(`bad-${index}.raw`), withManifest(filesystem, { ...manifest, contents }));
      const ran = await host.run(['install', at(`bad-${index}.raw`), '--backend', 'sysext']);
      refused.push(`${ran.status} ${/image-damaged/.exec(ran.stderr)?.[0]}`);
    }
    const good = await host.run(['install', at('good.raw'), '--backend', 'sysext']);

    assert.deepEqual(
      refused,
      others.map(() => '4 image-damaged'),
    );
    assert.equal(good.status, 0, good.stderr);
  });

  it('build --sources fetches what the release names into a folder, and lists the rest', async () => {
    const server = await serveTls(sendFile(Buffer.from('sources of QEMU\n')));
    // Kata's own repository is asked through a proxy that refuses.
    const proxy = createServer();
    proxy.on('connect', (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const env = { https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, no_proxy: 'localhost' };
    const versions = `assets:\n  hypervisor:\n    qemu:\n      version: "v7.2.0"\n      url: "${server.origin}/qemu.git"\n`;
    const bundle = await tinyRelease(at('sourced'), { files: { 'versions.yaml': versions } });

    const args = ['build', bundle, '-o', at('sourced.raw'), '--sources', at('sources'), '--ca-file', authority];
    const built = (await json(args, 0, { env })) as unknown as { collected: { component: string; file?: string; reason?: string }[] };
    await server.close();
    proxy.close();

    const collected = new Map(built.collected.map((each) => [each.component, each]));
    assert.deepEqual(
      server.seen.map(({ path }) => path),
      ['/qemu/archive/v7.2.0.tar.gz'],
    );
    assert.equal(collected.get('qemu')?.file, 'qemu-v7.2.0.tar.gz');
    assert.match(collected.get('kata-containers')?.reason ?? '', /403/);
    assert.match(collected.get('virtiofsd')?.reason ?? '', /names no address/);
    assert.deepEqual(readdirSync(at('sources')).sort(), ['COLLECTED', 'qemu-v7.2.0.tar.gz']);
    assert.ok(existsSync(at('sourced.raw')));
  });

  it('a release with a hostile versions.yaml is built all the same, and its document has no facts of that', async () => {
    const bombs = { nested: '['.repeat(9000), prototype: '__proto__:\n  assets: {}\n', large: `a: ${'x'.repeat(2 << 20)}\n` };
    const seen: [string, string[], boolean][] = [];

    for (const [name, text] of Object.entries(bombs)) {
      const bundle = await tinyRelease(at(name), { files: { 'versions.yaml': text } });
      await json(['build', bundle, '-o', at(`${name}.raw`)]);
      const document = whileMounted('squashfs', at(`${name}.raw`), (tree) => readFileSync(join(tree, sbomPath), 'utf8'));
      const { packages } = JSON.parse(document) as SpdxRead;
      seen.push([
        name,
        spdxFaults(document, '2.2'),
        packages.some(({ name: each, versionInfo }) => each === 'qemu' && versionInfo !== undefined),
      ]);
    }
    const binary = await tinyRelease(at('binary'), { files: { 'versions.yaml': Buffer.from([0xff, 0xfe, 0x00]) } });
    const refused = await json(['build', binary, '-o', at('binary.raw')], 4);

    assert.deepEqual(
      seen,
      Object.keys(bombs).map((name) => [name, [], false]),
    );
    assert.equal(refused['code'], 'bundle-layout');
  });
});
