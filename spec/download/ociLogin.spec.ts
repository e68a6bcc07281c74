import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSource } from '../../cli/bundle/sourceBytes.ts';
import { resolveOci } from '../../cli/download/oci/index.ts';
import { loginFor } from '../../cli/download/oci/login.ts';
import { usualPatience } from '../../cli/download/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import type { Digest } from '../../cli/host/index.ts';
import { sha256 } from '../support/digests.ts';
import { needs } from '../support/needs.ts';
import { type Answerer, authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';

const layer = randomBytes(50_000);
const digestOf = (bytes: Buffer): Digest => `sha256:${sha256(bytes)}`;
const manifest = Buffer.from(
  JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: 'application/x-tar', digest: digestOf(layer), size: layer.length }] }),
);
const pair = Buffer.from('anna:Sesame-15').toString('base64');
const basic = `Basic ${pair}`;

describe('names and passwords for registries', () => {
  let folder: string;
  let file: string;
  let server: TlsServer | undefined;
  const others: TlsServer[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-login-'));
    file = join(folder, 'auth.json');
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    for (const each of [server, ...others.splice(0)]) await each?.close();
    server = undefined;
  });

  const registry = (host = `localhost:${server?.port}`) =>
    ({ kind: 'registry', host, repository: 'team/kata', manifest: digestOf(manifest) }) as const;
  function put(document: unknown, mode = 0o600): void {
    writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
    chmodSync(file, mode);
  }
  const putLogin = () => put({ auths: { [`localhost:${server?.port}`]: { auth: pair } } });
  const files: Answerer = (request, response, count) =>
    sendFile(request.url?.includes('/manifests/') === true ? manifest : layer)(request, response, count);
  async function bytes(): Promise<Buffer> {
    const fetching = { caFile: authority, registryAuth: file, patience: { ...usualPatience, backoffMs: 1, failures: 1 } };
    const { source, digest } = await resolveOci(registry(), fetching, async () => 'x86_64');
    const opened = await openSource(source, { fetching, wanted: digest });
    try {
      const pieces: Buffer[] = [];
      for await (const piece of opened.chunks(true)) pieces.push(piece);
      return Buffer.concat(pieces);
    } finally {
      await opened.close();
    }
  }
  const refusal = () =>
    bytes().then(
      () => 'accepted',
      (error: KataError) => {
        const said = JSON.stringify([error.complaint, error.stack, String(error.complaint.cause)]);
        assert.ok(!said.includes('Sesame') && !said.includes(pair), said);
        return `${error.code}: ${error.complaint.found}`;
      },
    );

  it('are those of the longest entry that the repository lies in', async () => {
    const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
    put({
      auths: { host: auth('a:1'), 'host/team': auth('b:2:x'), 'host/tea': auth('c:3'), 'host/team/kata/x': auth('d:4'), empty: {} },
      credsStore: 'x',
    });
    const found = await loginFor(registry('host'), file);
    const other = await loginFor({ ...registry('host'), repository: 'other' }, file);
    const none = await loginFor(registry('host:5000'), file);

    assert.deepEqual(
      [found?.header, other?.header, none],
      [`Basic ${Buffer.from('b:2:x').toString('base64')}`, `Basic ${Buffer.from('a:1').toString('base64')}`, undefined],
    );
  });

  it('may be a key of a service account, whose JSON has line ends', async () => {
    const key = JSON.stringify({ type: 'service_account', private_key: '-----BEGIN PRIVATE KEY-----\nabc\n' }, null, 2);
    const auth = Buffer.from(`_json_key:${key}`).toString('base64');
    put({ auths: { host: { auth } } });

    assert.equal((await loginFor(registry('host'), file))?.header, `Basic ${auth}`);
  });

  it('of a file that others may read are refused with the commands that help, also where its path has a blank', async () => {
    put({ auths: {} }, 0o644);
    const blank = join(folder, 'my file');
    renameSync(file, blank);

    const { complaint } = (await loginFor(registry('host'), blank).catch((error: KataError) => error)) as KataError;
    assert.equal(complaint.next, `ls -lL '${blank}'; chown root '${blank}'; chmod 600 '${blank}'`);
  });

  const long = `{"auths":{},"x":"${'x'.repeat(70_000)}"}`;
  const entries: [title: string, document: unknown, found: RegExp][] = [
    ['is no JSON', `{"auths": {"host": {"auth": "${pair}"`, /is no JSON$/],
    ['has no auths', { credsStore: 'secretservice' }, /auths/],
    ['is larger than 64 KiB', long, /larger than expected/],
    ['has an entry for a helper', { auths: { host: {} }, credHelpers: { host: 'x' } }, /the entry host has no auth with/],
    ['has an identity token', { auths: { host: { auth: pair, identitytoken: 'x' } } }, /identity token/],
    ['has no base64', { auths: { host: { auth: 'anna:Sesame-15' } } }, /no auth with/],
    ['has no colon', { auths: { host: { auth: Buffer.from('anna').toString('base64') } } }, /no auth with/],
    ['has no name', { auths: { host: { auth: Buffer.from(':Sesame-15').toString('base64') } } }, /no auth with/],
    ['has a line end in the name', { auths: { host: { auth: Buffer.from('an\r\nna:Sesame-15').toString('base64') } } }, /no auth with/],
    ['has no password', { auths: { host: { auth: Buffer.from('anna:').toString('base64') } } }, /no auth with/],
    ['has a number', { auths: { host: { auth: 5 } } }, /auths\.host\.auth/],
    ['has a key that is refused', `{"auths":{"__proto__":{"auth":"${pair}"}}}`, /is no JSON$/],
  ];
  for (const [title, document, found] of entries)
    it(`of a file that ${title} are refused, and the message has nothing of them`, async () => {
      put(document);
      const error = await loginFor(registry('host'), file).catch((thrown: KataError) => thrown);

      assert.equal((error as KataError).code, 'usage');
      assert.match((error as KataError).complaint.found, found);
      assert.doesNotMatch((error as KataError).complaint.next, /chown|chmod/);
      assert.ok(!JSON.stringify([(error as KataError).complaint, String((error as KataError).complaint.cause)]).match(/Sesame|YW5uYT/));
    });

  it('of a file that others may read or change, of a folder, and of one that is away, are refused; of a link to a good one not', async () => {
    const said: string[] = [];
    for (const mode of [0o604, 0o620, 0o602, 0o601]) {
      put({ auths: {} }, mode);
      said.push(await loginFor(registry('host'), file).then(String, (error: KataError) => error.complaint.found));
    }
    put({ auths: { host: { auth: pair } } }, 0o640);
    symlinkSync(file, join(folder, 'link'));
    const link = await loginFor(registry('host'), join(folder, 'link'));
    const ofFolder = await loginFor(registry('host'), folder).catch((error: KataError) => error.code);
    const away = await loginFor(registry('host'), join(folder, 'away')).catch((error: KataError) => error.code);

    for (const each of said) assert.match(each, /others may read or change/);
    assert.equal(link?.header, basic);
    assert.deepEqual([ofFolder, away], ['usage', 'usage']);
  });

  it('of a file of another user are refused', async function () {
    needs(this, 'root');
    put({ auths: { host: { auth: pair } } });
    chownSync(file, 12_345, 0);

    await assert.rejects(loginFor(registry('host'), file), { code: 'usage', message: /a file of the user 12345/ });
  });

  it('go to a registry that asks for them, after it has asked, and to no server that it redirects to', async () => {
    const store = await serveTls(files);
    others.push(store);
    server = await serveTls((request, response, count) => {
      if (request.headers.authorization !== basic) return response.writeHead(401, { 'www-authenticate': 'Basic realm="spec"' }).end();
      if (request.url?.includes('/blobs/') !== true) return files(request, response, count);
      return response.writeHead(307, { location: `${store.origin}/x` }).end();
    });
    putLogin();
    const found = await bytes();

    assert.deepEqual(found, layer);
    assert.deepEqual(
      server.seen.map(({ authorization }) => authorization),
      [undefined, basic, undefined, basic],
    );
    assert.deepEqual(
      store.seen.map(({ authorization }) => authorization),
      [undefined],
    );
  });

  it('go to the https address for tokens that the registry names, and not where that redirects to', async () => {
    const elsewhere = await serveTls((_, response) => response.end(JSON.stringify({ token: 'abc' })));
    const tokens = await serveTls((_, response) => response.writeHead(302, { location: `${elsewhere.origin}/t` }).end());
    others.push(elsewhere, tokens);
    server = await serveTls((request, response, count) => {
      if (request.headers.authorization === 'Bearer abc') return files(request, response, count);
      return response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.origin}/t"` }).end();
    });
    putLogin();
    const found = await bytes();

    assert.deepEqual(found, layer);
    assert.deepEqual(
      [tokens, elsewhere].map(({ seen }) => [...new Set(seen.map(({ authorization }) => authorization))]),
      [[basic], [undefined]],
    );
    assert.ok(!server.seen.some(({ authorization }) => authorization?.startsWith('Basic')));
  });

  it('go to no other server that asks for them, even where the registry redirects to it', async () => {
    const other = await serveTls((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
    others.push(other);
    server = await serveTls((_, response) => response.writeHead(307, { location: `${other.origin}/x` }).end());
    putLogin();
    const said = await refusal();

    assert.match(said, /^download-refused/);
    assert.ok([...other.seen, ...server.seen].every(({ authorization }) => authorization === undefined));
  });

  const challenges: [title: string, challenge: string][] = [
    ['asks again', 'Basic realm="x"'],
    ['asks for a token without https', 'Bearer realm="http://localhost/token"'],
    ['asks in another way', 'Digest realm="x", nonce="y"'],
    ['says nothing', ''],
  ];
  for (const [title, challenge] of challenges)
    it(`of a registry that ${title} are given once at most, and the message does not have them`, async () => {
      server = await serveTls((_, response) => response.writeHead(401, { 'www-authenticate': challenge }).end());
      putLogin();
      const said = await refusal();

      assert.match(
        said,
        challenge.startsWith('Basic')
          ? /^download-refused: .*does not take .* that .*auth\.json has/
          : /names no https address for a token$/,
      );
      assert.equal(server.seen.filter(({ authorization }) => authorization !== undefined).length, challenge.startsWith('Basic') ? 1 : 0);
    });

  it('that the server of tokens does not take are said so', async () => {
    const tokens = await serveTls((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
    others.push(tokens);
    server = await serveTls((_, response) => response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.origin}/t"` }).end());
    putLogin();
    const said = await refusal();

    assert.match(said, /^download-refused: .*does not take/);
    assert.equal(tokens.seen.length, 1);
  });

  it('that the file does not have are said so', async () => {
    server = await serveTls((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
    put({ auths: {} });
    const said = await refusal();

    assert.match(said, new RegExp(`^download-refused: .*auth\\.json has no entry for localhost:${server.port}`));
  });
});
