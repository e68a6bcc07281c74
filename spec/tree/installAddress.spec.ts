import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { basename, join } from 'node:path';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { type Answerer, authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('install of an address', function () {
  this.timeout(300_000);
  let host: TreeHost;
  let folder: string;
  let archive: Buffer;
  let name: string;
  let digest: string;
  let server: TlsServer;

  before(async () => {
    folder = scratch('addresses');
    const { first } = await releases();
    archive = readFileSync(first);
    name = basename(first);
    digest = `sha256:${sha256(archive)}`;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(async () => {
    host.remove();
    await server.close();
  });

  const serve = async (answer: Answerer) => {
    server = await serveTls(answer);
    return `https://anna:pass-word-1@localhost:${server.port}/releases/${name}?token=secret-token-2`;
  };
  const proven = () => ['--digest', digest, '--ca-file', authority];

  it('makes the generation that the file makes, and a repeated one downloads nothing', async () => {
    const address = await serve(sendFile(archive));
    const before = host.fingerprint();
    await host.json(['install', address, ...proven()]);
    const asked = server.seen.length;
    const again = await host.json(['install', address, ...proven()]);
    const status = (await host.json(['status'])) as { generations: { release: string }[] };
    const gone = await host.json(['uninstall', '--purge']);

    assert.equal(asked, 1);
    assert.equal(server.seen.length, 1);
    assert.equal(again['changed'], false);
    assert.equal(status.generations.length, 1);
    assert.match(JSON.stringify(gone), /--digest/);
    assert.match(JSON.stringify(gone), new RegExp(`https://localhost:${server.port}/releases/${name} --digest ${digest}`));
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('what an address has beside its place is neither kept nor printed', async () => {
    const address = await serve(sendFile(archive));
    const installed = await host.run(['install', address, ...proven(), '--progress', 'plain']);
    const history = await host.run(['history', '--json']);
    const refused = await host.run(['install', address]);
    const files = readdirSync(host.path('var/lib/kata-sysext'), { recursive: true, withFileTypes: true });
    const kept = files.flatMap((file) => (file.isFile() ? [readFileSync(join(file.parentPath, file.name), 'latin1')] : []));

    assert.equal(installed.status, 0, installed.stderr);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /neither a digest nor a signature of https:\/\/localhost:\d+\/releases\/.* is named/);
    for (const text of [...kept, ...[installed, history, refused].flatMap(({ stdout, stderr }) => [stdout, stderr])])
      assert.doesNotMatch(text, /pass-word-1|secret-token-2/);
  });

  it('other bytes than those of the digest change nothing', async () => {
    const other = Buffer.from(archive);
    other[other.length - 1]! ^= 1;
    const address = await serve(sendFile(other));
    const before = host.fingerprint();
    const { status, stderr } = await host.run(['install', address, ...proven()]);

    assert.equal(status, 4, stderr);
    assert.match(stderr, /bundle-(digest|damaged)/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('a connection that breaks is taken up, and a server that goes away leaves its part for the next run', async () => {
    const half = Math.floor(archive.length / 2);
    const cache = ['--cache', join(folder, 'cache')];
    const before = host.fingerprint();
    const address = await serve((_, response, count) => {
      if (count > 1) return response.writeHead(404).end();
      response.writeHead(200, { 'content-length': archive.length });
      return response.write(archive.subarray(0, half), () => setTimeout(() => response.destroy(), 50));
    });
    const broken = await host.run(['install', address, ...proven(), ...cache, '--progress', 'plain']);
    const unchanged = differences(before, host.fingerprint());
    await server.close();
    const next = await serve(sendFile(archive));
    await host.json(['install', next, ...proven(), ...cache]);

    assert.equal(broken.status, 4, broken.stderr);
    assert.match(broken.stderr, /the next try follows in 1 s[\s\S]*404 Not Found[\s\S]*download-refused/);
    assert.deepEqual(unchanged, []);
    const from = Number(/^bytes=(\d+)-$/.exec(server.seen[0]?.range ?? '')?.[1]);
    assert.ok(from > 0 && from < half, String(from));
  });

  it('goes through the proxy of the environment, but for the hosts of no_proxy', async () => {
    const address = await serve(sendFile(archive));
    const { proxy, asked, environment } = await proxyWith('anna', 'proxy-pass-3');
    try {
      const through = await host.run(['install', address, ...proven(), '--dry-run'], { env: environment });
      const bare = { https_proxy: environment['https_proxy']!.replace('http://', '') };
      const without = await host.run(['install', address, ...proven(), '--dry-run'], { env: bare });
      const past = await host.run(['install', address, ...proven(), '--dry-run'], { env: { ...environment, no_proxy: 'localhost' } });

      assert.equal(through.status, 0, through.stderr);
      assert.equal(without.status, 0, without.stderr);
      assert.equal(past.status, 0, past.stderr);
      assert.deepEqual(asked, [`localhost:${server.port}`, `localhost:${server.port}`]);
    } finally {
      proxy.close();
    }
  });
});

/** A proxy that connects who gives the password. */
async function proxyWith(user: string, password: string): Promise<{ proxy: Server; asked: string[]; environment: Record<string, string> }> {
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    if (request.headers['proxy-authorization'] !== expected) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    asked.push(request.url ?? '');
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const server = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      server.pipe(socket).pipe(server);
    });
    for (const end of [server, socket]) end.on('error', () => [server, socket].map((each) => each.destroy()));
    return undefined;
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  return { proxy, asked, environment: { https_proxy: `http://${user}:${password}@127.0.0.1:${port}` } };
}
