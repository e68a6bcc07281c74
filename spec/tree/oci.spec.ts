import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DebianTools, debianTools } from '../lab/debianTools.ts';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { json, run } from '../support/program.ts';
import { type Registry, reader, startRegistry } from '../support/registry.ts';
import { authority } from '../support/tlsServer.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const secret = Buffer.from(`${reader.name}:${reader.password}`).toString('base64');
const described = (bytes: Buffer, digest: string) => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest,
  size: bytes.length,
});

describe('install of an artefact of OCI', function () {
  this.timeout(900_000);
  let host: TreeHost;
  let folder = '';
  let tools: DebianTools;
  let registry: Registry | undefined;

  before(async function () {
    needs(this, 'root', 'mmdebstrap');
    const available = await debianTools();
    if (!available.ok) console.log(`      left out: ${available.why}`);
    if (available.tools === undefined) return this.skip();
    ({ tools } = available);
    folder = scratch('oci');
    copyFileSync((await releases()).first, join(folder, 'kata.tar.zst'));
  });
  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(async () => {
    host.remove();
    await registry?.close();
    registry = undefined;
  });

  /** Has oras push the release; gives the digest that oras says. */
  async function pushed(...where: string[]): Promise<string> {
    const said = await tools.oras(folder, ['push', ...where, 'kata.tar.zst']);
    return /^Digest: (sha256:[0-9a-f]{64})$/m.exec(said)?.[1] ?? said;
  }

  it('takes the layer of a folder that oras made, and leaves nothing behind', async () => {
    const layout = join(folder, 'layout');
    const digest = await pushed('--oci-layout', 'layout:1');
    const before = host.fingerprint();
    await host.json(['install', `oci:${layout}@${digest}`]);
    const again = await host.json(['install', `oci:${layout}@${digest}`]);
    await host.json(['uninstall', '--purge']);
    const after = host.fingerprint();
    for (const name of readdirSync(join(layout, 'blobs/sha256'))) {
      const blob = join(layout, 'blobs/sha256', name);
      const bytes = readFileSync(blob);
      if (bytes.length < 5000) continue;
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(blob, bytes);
    }
    const changed = await host.run(['install', `oci:${layout}@${digest}`]);
    const unknown = await host.run(['install', `oci:${layout}@sha256:${'0'.repeat(64)}`]);

    assert.equal(again['changed'], false);
    assert.deepEqual(differences(before, after), []);
    assert.equal(changed.status, 4, changed.stderr);
    assert.match(changed.stderr, /bundle-digest/);
    assert.match(unknown.stderr, /oci-unfit/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('takes it from a registry that wants a token from everybody, and a repeated one downloads no layer', async () => {
    registry = await startRegistry(tools, folder);
    const digest = await pushed('--plain-http=false', '--ca-file', authority, `${registry.host}/team/kata:1`);
    await registry.close();
    registry = await startRegistry(tools, folder, { token: true });
    const install = ['install', `oci://${registry.host}/team/kata@${digest}`, '--ca-file', authority];
    const before = host.fingerprint();
    await host.json(install);
    const asked = registry.tokens.length;
    const again = await host.json(install);
    const status = await host.run(['status', '-v']);
    const gone = (await host.json(['uninstall', '--purge'])) as { undoCommand: string };
    const refused = await host.run(['install', `oci://${registry.host}/team/other@${digest}`, '--ca-file', authority]);

    // For the manifest and for the layer; then for the manifest alone.
    assert.deepEqual([asked, registry.tokens.length - 1], [2, 3]);
    assert.equal(again['changed'], false);
    assert.ok(status.stdout.includes(`kata@${digest}`), status.stdout);
    assert.match(gone.undoCommand, new RegExp(`install oci://${registry.host}/team/kata@${digest} --digest sha256:`));
    assert.match(refused.stderr, /download-refused/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('takes it from a registry with passwords, which are on the host nowhere but in their file, and in no output', async () => {
    registry = await startRegistry(tools, folder, { basic: true });
    const login = ['--plain-http=false', '--registry-config', 'auth.json', '--ca-file', authority];
    await tools.oras(folder, ['login', ...login, '-u', reader.name, '-p', reader.password, registry.host]);
    const digest = await pushed(...login, `${registry.host}/team/kata:1`);
    const file = join(folder, 'auth.json');
    chmodSync(file, 0o600);
    const word = `oci://${registry.host}/team/kata@${digest}`;
    const ca = ['--ca-file', authority];
    const before = host.fingerprint();
    const anonymous = await host.run(['install', word, ...ca]);
    const said = [
      await host.run(['install', word, '--registry-auth', file, ...ca]),
      await host.run(['install', word, '--registry-auth', file, ...ca, '--json']),
      await host.run(['status', '-v']),
      await host.run(['history', '--json']),
    ];
    const kept = spawnSync('grep', ['-rlE', `${reader.password}|${secret}`, host.root], { encoding: 'utf8' }).stdout;
    const gone = await host.run(['uninstall', '--purge', '--json']);
    chmodSync(file, 0o644);
    const readable = await host.run(['install', word, '--registry-auth', file, ...ca]);

    assert.equal(anonymous.status, 4, anonymous.stderr);
    assert.match(anonymous.stderr, /podman login --authfile FILE/);
    assert.equal(kept, '');
    for (const each of [...said, gone]) {
      assert.equal(each.status, 0, each.stderr);
      assert.doesNotMatch(each.stdout + each.stderr, new RegExp(`${reader.password}|${secret}`));
    }
    assert.equal(readable.status, 2, readable.stderr);
    assert.match(readable.stderr, /others may read or change/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('takes the manifest for its machine from an index in a registry whose server of tokens wants a password', async () => {
    registry = await startRegistry(tools, folder);
    const tls = ['--plain-http=false', '--ca-file', authority];
    const manifest = await pushed(...tls, `${registry.host}/team/kata:1`);
    const bytes = Buffer.from(await tools.oras(folder, ['manifest', 'fetch', ...tls, `${registry.host}/team/kata:1`]));
    const type = 'application/vnd.oci.image.index.v1+json';
    const row = (architecture: string) => ({ ...described(bytes, manifest), platform: { os: 'linux', architecture } });
    const index = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [row('amd64'), row('s390x')] });
    writeFileSync(join(folder, 'index.json'), index);
    await tools.oras(folder, ['manifest', 'push', ...tls, '--media-type', type, `${registry.host}/team/kata:2`, 'index.json']);
    await registry.close();
    registry = await startRegistry(tools, folder, { token: true, named: true });
    const file = join(folder, 'index-auth.json');
    writeFileSync(file, JSON.stringify({ auths: { [registry.host]: { auth: secret } } }), { mode: 0o600 });
    const options = ['--registry-auth', file, '--ca-file', authority];
    const word = `oci://${registry.host}/team/kata@sha256:${sha256(Buffer.from(index))}`;
    await host.json(['install', word, ...options]);
    const saved = await json(['bundle', 'save', word, ...options, '-o', join(folder, 'kata.bundle')]);
    const built = await run(['bundle', 'save', word, ...options, '--architecture', 'aarch64', '-o', join(folder, 'other.bundle')]);

    assert.deepEqual(
      (saved['archives'] as { name: string }[]).map(({ name }) => name),
      ['kata.tar.zst'],
    );
    assert.equal(built.status, 4, built.stderr);
    assert.match(built.stderr, /no manifest for linux\/arm64; it has linux\/amd64, linux\/s390x/);
  });
});
