import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSource } from '../../cli/bundle/sourceBytes.ts';
import { resolveOci } from '../../cli/download/oci/index.ts';
import { type OciReference, ociReference } from '../../cli/download/oci/reference.ts';
import { usualPatience } from '../../cli/download/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import type { Digest } from '../../cli/host/index.ts';
import { sha256 } from '../support/digests.ts';
import { type Answerer, authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';

const layer = randomBytes(50_000);
const tar = 'application/vnd.oci.image.layer.v1.tar';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const fetching = { caFile: authority, patience: { ...usualPatience, backoffMs: 1, failures: 1 } };
const digestOf = (bytes: Buffer): Digest => `sha256:${sha256(bytes)}`;
const codeOf = (error: KataError) => error.code;

function manifest(change: object = {}, rest: object = {}): Buffer {
  const one = { mediaType: tar, digest: digestOf(layer), size: layer.length, ...change };
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, layers: [one], ...rest }));
}

describe('words that name an artefact', () => {
  const hex = '0'.repeat(64);
  const parsed = (word: string) => ociReference(word, (path) => join('/cwd', path));

  it('are a folder or a registry with a digest', () => {
    assert.deepEqual(parsed(`oci:a/b@sha256:${hex}`), { kind: 'layout', folder: '/cwd/a/b', manifest: `sha256:${hex}` });
    assert.deepEqual(parsed(`oci://localhost:5000/team/kata-static@sha256:${hex}`), {
      kind: 'registry',
      host: 'localhost:5000',
      repository: 'team/kata-static',
      manifest: `sha256:${hex}`,
    });
  });

  for (const word of [
    'oci:',
    'oci:a',
    'oci:a:latest',
    `oci:@sha256:${hex}`,
    `oci:a@sha256:${hex.slice(1)}`,
    `oci:a@sha512:${hex}`,
    `oci://@sha256:${hex}`,
    `oci://host@sha256:${hex}`,
    `oci://host/@sha256:${hex}`,
    `oci://anna:secret@host/a@sha256:${hex}`,
    `oci://host/../a@sha256:${hex}`,
    `oci://host/a?x=secret@sha256:${hex}`,
    `oci://host/A@sha256:${hex}`,
    `oci://host/${'a/'.repeat(200)}a@sha256:${hex}`,
    `oci://host/${'a-'.repeat(5000)}@sha256:${hex}`,
  ])
    it(`are not ${word.slice(0, 60)}`, () => {
      assert.throws(
        () => parsed(word),
        (error: KataError) => error.code === 'usage' && !JSON.stringify(error.complaint).includes('secret'),
      );
    });
});

describe('an artefact in a folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-oci-'));
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const put = (bytes: Buffer, as = sha256(bytes)) => writeFileSync(join(folder, 'blobs/sha256', as), bytes);
  const resolved = (digest: Digest) => resolveOci({ kind: 'layout', folder, manifest: digest }, fetching, async () => 'x86_64');

  it('is the file of its one layer, with the digest of the manifest', async () => {
    put(manifest());

    assert.deepEqual(await resolved(digestOf(manifest())), {
      source: join(folder, 'blobs/sha256', sha256(layer)),
      digest: digestOf(layer),
      name: undefined,
    });
  });

  it('has the name that its layer calls itself, if that is one of a file', async () => {
    const names = ['kata.tar.zst', '../../etc/passwd', '-rf', 'a\nb'];
    const found: (string | undefined)[] = [];
    for (const name of names) {
      const content = manifest({ annotations: { 'org.opencontainers.image.title': name } });
      put(content);
      found.push((await resolved(digestOf(content))).name);
    }

    assert.deepEqual(found, ['kata.tar.zst', undefined, undefined, undefined]);
  });

  const rows: [title: string, content: Buffer, found: RegExp][] = [
    ['no layer', manifest({}, { layers: [] }), /it has 0 layers/],
    ['two layers', manifest({}, { layers: [1, 2].map(() => ({ mediaType: tar, digest: digestOf(layer), size: 1 })) }), /it has 2 layers/],
    ['a layer of text', manifest({ mediaType: 'text/plain' }), /of the type "text\/plain"/],
    ['a layer with a path for a digest', manifest({ digest: 'sha256:../../../etc/shadow' }), /layers\.0\.digest is not a sha256 digest/],
    ['a layer of 2^50 bytes', manifest({ size: 2 ** 50 }), /has 1125899906842624 bytes/],
    ['another schema', manifest({}, { schemaVersion: 1 }), /schemaVersion is not 2/],
    ['a type that is not known', manifest({}, { mediaType: 'application/json' }), /is of a type that is not known/],
    ['no JSON', Buffer.from('{'), /it is no JSON/],
    ['a key that is refused', Buffer.from('{"__proto__":{},"schemaVersion":2}'), /__proto__/],
  ];
  for (const [title, content, found] of rows)
    it(`with ${title} is refused`, async () => {
      put(content);

      await assert.rejects(resolved(digestOf(content)), { code: 'oci-unfit', message: found });
    });

  it('whose manifest is away, is another one, or is a link, is refused', async () => {
    const wanted = digestOf(manifest());
    const away = await resolved(wanted).catch(codeOf);
    put(manifest({ size: 7 }), sha256(manifest()));
    const another = await resolved(wanted).catch(codeOf);
    rmSync(join(folder, 'blobs/sha256', sha256(manifest())));
    writeFileSync(join(folder, 'outside'), manifest());
    symlinkSync('../../outside', join(folder, 'blobs/sha256', sha256(manifest())));
    const link = await resolved(wanted).catch(codeOf);

    assert.deepEqual([away, another, link], ['oci-unfit', 'oci-unfit', 'oci-unfit']);
  });
});

describe('an artefact in a registry', () => {
  let server: TlsServer;
  const others: TlsServer[] = [];
  afterEach(async () => {
    for (const each of [server, ...others.splice(0)]) await each.close();
  });

  const reference = (): Extract<OciReference, { kind: 'registry' }> => ({
    kind: 'registry',
    host: `localhost:${server.port}`,
    repository: 'team/kata',
    manifest: digestOf(manifest()),
  });
  const files: Answerer = (request, response, count) =>
    sendFile(request.url?.includes('/manifests/') === true ? manifest() : layer)(request, response, count);
  /** The whole of its layer, by the word that a command has. */
  async function bytesOf(): Promise<Buffer> {
    const { source, digest } = await resolveOci(reference(), fetching, async () => 'x86_64');
    const opened = await openSource(source, { fetching, wanted: digest });
    try {
      const pieces: Buffer[] = [];
      for await (const piece of opened.chunks(true)) pieces.push(piece);
      assert.equal(opened.name, `kata@${digestOf(manifest())}`);
      return Buffer.concat(pieces);
    } finally {
      await opened.close();
    }
  }
  const refusal = () =>
    bytesOf().then(
      () => 'accepted',
      (error: KataError) => `${error.code}: ${error.complaint.found}`,
    );

  it('is fetched by two digests', async () => {
    server = await serveTls(files);
    const found = await bytesOf();

    assert.deepEqual(found, layer);
    assert.deepEqual(
      server.seen.map(({ path }) => path),
      [`/v2/team/kata/manifests/${digestOf(manifest())}`, `/v2/team/kata/blobs/${digestOf(layer)}`],
    );
  });

  it('that wants a token from everybody gets one, and no other server does', async () => {
    const store = await serveTls(files);
    const tokens = await serveTls((_, response) => response.end(JSON.stringify({ token: 'abc.def' })));
    others.push(store, tokens);
    const challenge = `Bearer realm="${tokens.origin}/token?a=b",service="reg",scope="repository:other:push,pull"`;
    server = await serveTls((request, response, count) => {
      if (request.headers.authorization !== 'Bearer abc.def') return response.writeHead(401, { 'www-authenticate': challenge }).end();
      if (request.url?.includes('/blobs/') !== true) return files(request, response, count);
      return response.writeHead(307, { location: `${store.origin}/x` }).end();
    });
    const found = await bytesOf();

    assert.deepEqual(found, layer);
    assert.deepEqual(
      [...store.seen, ...tokens.seen].map(({ authorization }) => authorization),
      [undefined, undefined, undefined],
    );
    assert.equal(tokens.seen[0]?.path, '/token?a=b&service=reg&scope=repository%3Ateam%2Fkata%3Apull');
  });

  for (const [title, path] of [
    ['ends with a slash', '/token/'],
    ['has no path', ''],
  ])
    it(`gets a token where the address for tokens ${title}`, async () => {
      const tokens = await serveTls((_, response) => response.end(JSON.stringify({ token: 'abc.def' })));
      others.push(tokens);
      server = await serveTls((request, response, count) => {
        if (request.headers.authorization === 'Bearer abc.def') return files(request, response, count);
        return response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.origin}${path}",service="reg"` }).end();
      });
      const found = await bytesOf();

      assert.deepEqual(found, layer);
      assert.equal(tokens.seen[0]?.path, `${path || '/'}?service=reg&scope=repository%3Ateam%2Fkata%3Apull`);
    });

  const rows: [title: string, challenge: string | undefined, found: RegExp][] = [
    ['that wants a password', 'Basic realm="https://localhost/"', /download-refused: .*names no https address for a token/],
    ['that says nothing', undefined, /download-refused: .*names no https address for a token/],
    ['that asks for a token without https', 'Bearer realm="http://localhost/token"', /download-refused: .*no https address/],
    ['that asks for a token of a file', 'Bearer realm="file:///etc/shadow"', /download-refused: .*no https address/],
    ['with a challenge without end', `Bearer ${'a="b",'.repeat(2000)}`, /download-/],
  ];
  for (const [title, challenge, found] of rows)
    it(`${title} is refused`, async () => {
      server = await serveTls((_, response) =>
        response.writeHead(401, challenge === undefined ? {} : { 'www-authenticate': challenge }).end(),
      );

      assert.match(await refusal(), found);
    });

  const answers: [title: string, answer: string][] = [
    ['no token', '{}'],
    ['no JSON', '<html>'],
    ['a token with a line end', JSON.stringify({ token: 'a\r\nx: y' })],
    ['a token of 100 kB', JSON.stringify({ token: 'a'.repeat(100_000) })],
    ['a token that the registry does not take', JSON.stringify({ access_token: 'abc' })],
  ];
  for (const [title, answer] of answers)
    it(`that gets ${title} is refused`, async () => {
      const tokens = await serveTls((_, response) => response.end(answer));
      others.push(tokens);
      server = await serveTls((_, response) => response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.origin}/t"` }).end());

      assert.match(await refusal(), /^download-refused/);
    });

  it('that sends another manifest, one without end, or another layer, is refused', async () => {
    server = await serveTls((request, response, count) => sendFile(manifest({ size: 3 }))(request, response, count));
    const another = await refusal();
    await server.close();
    server = await serveTls((request, response, count) => sendFile(Buffer.alloc(5_000_000))(request, response, count));
    const endless = await refusal();

    assert.match(another, /^oci-unfit: .*the manifest has the digest/);
    assert.match(endless, /^download-refused: .*more than 4194304 bytes/);
  });
});
