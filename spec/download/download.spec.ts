import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSource } from '../../cli/bundle/sourceBytes.ts';
import { openKept } from '../../cli/download/cache.ts';
import { download } from '../../cli/download/index.ts';
import { type DownloadRequest, usualPatience } from '../../cli/download/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { type Answerer, authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';

const content = randomBytes(300_000);
const digest = digestOf(content);
const etag = { etag: '"one"' };
/** Failures follow each other at once. */
const patience = { ...usualPatience, backoffMs: 1, failures: 3 };
const soon = { idleMs: 300, answerMs: 300, slowMs: 300 };

let server: TlsServer;

describe('a download', () => {
  afterEach(() => server.close());

  it('gives the bytes of the server and their digest', async () => {
    const found = await fetched(sendFile(content));

    assert.deepEqual(found.bytes, content);
    assert.equal(found.digest, digest);
    assert.equal(found.totalBytes, content.length);
  });

  it('goes on where the connection broke', async () => {
    const found = await fetched((request, response, count) =>
      count === 1 ? breakAfter(response, 100_000, etag) : sendFile(content, { headers: etag })(request, response, count),
    );

    assert.equal(found.digest, digest);
    const [first, second] = server.seen.map(({ range }) => range);
    assert.equal(first, undefined);
    assert.match(String(second), /^bytes=[1-9]\d{0,4}-$/);
    assert.equal(found.notes.length, 1);
  });

  it('leaves out what a server without ranges sends again', async () => {
    const found = await fetched((request, response, count) =>
      count === 1 ? breakAfter(response, 100_000) : sendFile(content, { ranges: false })(request, response, count),
    );

    assert.equal(found.digest, digest);
  });

  it('waits for a server that is busy', async () => {
    const found = await fetched((request, response, count) =>
      count < 3 ? response.writeHead(503).end() : sendFile(content)(request, response, count),
    );

    assert.equal(found.digest, digest);
  });

  it('takes a file without a length', async () => {
    const found = await fetched((_, response) => response.writeHead(200).end(content));

    assert.equal(found.digest, digest);
    assert.equal(found.totalBytes, undefined);
  });

  it('is whole where a file without a length breaks behind its last byte', async () => {
    const found = await fetched((request, response, count) => {
      if (count > 1) return sendFile(content)(request, response, count);
      response.writeHead(200);
      return response.write(content, () => setTimeout(() => response.destroy(), 50));
    });

    assert.equal(found.digest, digest);
  });

  it('follows redirects of its server, and shows the password to no other one', async () => {
    const other = await serveTls(sendFile(content));
    try {
      server = await serveTls((request, response) =>
        response.writeHead(302, { location: request.url === '/a/kata.tar' ? '/b/kata.tar' : `${other.origin}/c` }).end(),
      );
      const found = await read({ address: `https://anna:secret@localhost:${server.port}/a/kata.tar` });

      assert.equal(found.digest, digest);
      assert.ok(server.seen.every(({ authorization }) => authorization?.startsWith('Basic ')));
      assert.deepEqual(other.seen, [{ path: '/c', range: undefined, authorization: undefined }]);
    } finally {
      await other.close();
    }
  });
});

describe('a server that is not to be used', () => {
  afterEach(() => server.close());

  const rows: [title: string, answer: Answerer, code: string, found: RegExp, wait?: Partial<typeof soon>][] = [
    [
      'redirects to http',
      (_, response) => response.writeHead(302, { location: 'http://localhost/kata.tar' }).end(),
      'refused',
      /not https/,
    ],
    ['redirects to a file', (_, response) => response.writeHead(301, { location: 'file:///etc/shadow' }).end(), 'refused', /not https/],
    ['redirects to nothing', (_, response) => response.writeHead(302, { location: 'https://' }).end(), 'refused', /no address/],
    ['redirects for ever', (_, response) => response.writeHead(302, { location: '/again' }).end(), 'refused', /more than 8 times/],
    ['has no such file', (_, response) => response.writeHead(404).end('<html>'), 'refused', /404 Not Found/],
    ['wants to know who asks', (_, response) => response.writeHead(401).end(), 'refused', /401/],
    ['is never ready', (_, response) => response.writeHead(503).end(), 'failed', /503/],
    ['does not answer', () => undefined, 'failed', /no answer within 0.3 s/, soon],
    [
      'answers and sends nothing',
      (_, response) => response.writeHead(200, { 'content-length': 5 }).flushHeaders(),
      'failed',
      /sent nothing for/,
      { idleMs: 300 },
    ],
    ['sends a byte now and then', (_, response) => drip(response), 'failed', /too slowly/, { slowMs: 300 }],
    ['says more than it sends', (_, response) => breakAfter(response, 1000), 'failed', /./],
    [
      'says that there are 2^50 bytes',
      (_, response) => response.writeHead(200, { 'content-length': 2 ** 50 }).flushHeaders(),
      'refused',
      /at most|bytes/,
    ],
    ['compresses once more', (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'), 'refused', /compressed/],
    [
      'has another file after a break',
      (_, response, count) => breakAfter(response, 1000, { etag: `"${count}"` }),
      'refused',
      /another file under this address/,
    ],
    [
      'sends another part',
      (_, response, count) =>
        count === 1 ? breakAfter(response, 1000) : response.writeHead(206, { 'content-range': 'bytes 0-9/300000' }).end('0123456789'),
      'refused',
      /another part/,
    ],
    [
      'has a shorter file after a break',
      (request, response, count) =>
        count === 1 ? breakAfter(response, 1000) : sendFile(content.subarray(0, 10))(request, response, count),
      'refused',
      /shorter/,
    ],
  ];
  for (const [title, answer, code, expected, wait] of rows)
    it(title, async () => {
      const error = await fetched(answer, { patience: { ...patience, ...wait } }).then(
        () => undefined,
        (thrown: KataError) => thrown,
      );

      assert.equal(error?.code, `download-${code}`);
      assert.match(error.complaint.found, expected);
      assert.ok(error.complaint.needed !== '' && error.complaint.next !== '');
    });

  it('is not there', async () => {
    server = await serveTls(() => undefined);
    await server.close();
    await assert.rejects(read({}), { code: 'download-failed', message: /ECONNREFUSED/ });
    server = await serveTls(() => undefined);
  });

  it('has a certificate that nothing on this host trusts', async () => {
    server = await serveTls(sendFile(content));
    await assert.rejects(read({ caFile: undefined }), { code: 'download-refused', message: /is not trusted/ });
    assert.deepEqual(server.seen, []);
  });

  it('stops at once when the command is asked to stop', async () => {
    const stop = new AbortController();
    server = await serveTls((_, response) => {
      breakAfter(response, 1000);
      setTimeout(() => stop.abort(), 10);
    });
    await assert.rejects(read({ signal: stop.signal, patience: { ...patience, idleMs: 60_000, backoffMs: 60_000 } }), {
      code: 'interrupted',
    });
  });
});

describe('an address of an archive', () => {
  for (const address of ['https://localhost/', 'https://localhost/x/', 'https://localhost', 'http://localhost/kata.tar'])
    it(`is not ${address}`, async () => {
      await assert.rejects(openSource(address), { code: 'usage', message: /is no https address of a file/ });
    });
});

describe('a proxy that never answers', () => {
  const names = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'];
  let before: NodeJS.ProcessEnv;
  let proxy: Server;
  let ended: Promise<unknown>[];
  beforeEach(async () => {
    before = { ...process.env };
    for (const name of names) delete process.env[name];
    ended = [];
    // Reads what comes, so that the end of the connection is seen.
    proxy = createServer(
      (socket) =>
        void ended.push(
          once(
            socket.resume().on('error', () => undefined),
            'close',
          ),
        ),
    );
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    process.env['https_proxy'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    server = await serveTls(() => undefined);
  });
  afterEach(async () => {
    process.env = before;
    await server.close();
    await once(proxy.close(), 'close');
  });

  it('keeps no connection, neither when its time is over nor when the command is asked to stop', async () => {
    const late = await read({ patience: { ...patience, failures: 1, answerMs: 200 } }).catch((error: KataError) => error.code);
    const stop = new AbortController();
    const stopping = read({ signal: stop.signal }).catch((error: KataError) => error.code);
    await once(proxy, 'connection');
    stop.abort();
    const stopped = await stopping;
    await Promise.all(ended);

    assert.deepEqual([late, stopped], ['download-failed', 'interrupted']);
    assert.ok(ended.length > 0);
  });
});

describe('the cache of downloads', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-cache-'));
  });
  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  const name = digest.replace(':', '-');

  it('keeps what came before a failure, and the next run goes on there', async () => {
    await assert.rejects(
      fetched((_, response, count) => (count === 1 ? breakAfter(response, 1000) : response.destroy()), { cacheDir: folder }),
    );
    const left = readdirSync(folder);
    await server.close();
    const found = await fetched(sendFile(content), { cacheDir: folder });

    assert.deepEqual(left, [`${name}.part`]);
    assert.equal(found.digest, digest);
    assert.match(String(server.seen[0]?.range), /^bytes=[1-9]\d{0,2}-$/);
    assert.deepEqual(readdirSync(folder), [name]);
    assert.deepEqual(readFileSync(join(folder, name)), content);
  });

  it('forgets a part when the server has another file by then', async () => {
    const changing: Answerer = (_, response, count) => breakAfter(response, 1000, { etag: `"${count}"` });
    await assert.rejects(fetched(changing, { cacheDir: folder }), { code: 'download-refused' });
    const left = readdirSync(folder);

    assert.deepEqual(left, []);
  });

  it('a whole file needs no server', async () => {
    writeFileSync(join(folder, name), content);
    const found = await fetched(() => assert.fail('asked'), { cacheDir: folder });

    assert.equal(found.digest, digest);
  });

  it('a part that has all bytes becomes whole', async () => {
    writeFileSync(join(folder, `${name}.part`), content);
    const found = await fetched(sendFile(content), { cacheDir: folder });

    assert.equal(found.digest, digest);
    assert.deepEqual(readdirSync(folder), [name]);
  });

  for (const [title, part] of [
    ['other bytes', Buffer.alloc(1000, 7)],
    ['more bytes than the server', Buffer.alloc(content.length + 1, 7)],
  ] as const)
    it(`${title} in it are forgotten, and the run after that begins again`, async () => {
      writeFileSync(join(folder, `${name}.part`), part);
      const first = await fetched(sendFile(content), { cacheDir: folder }).catch((error: KataError) => ({ digest: error.code }));
      await server.close();
      const left = readdirSync(folder);
      const second = await fetched(sendFile(content), { cacheDir: folder });

      assert.notEqual(first.digest, digest);
      assert.deepEqual(left, []);
      assert.equal(second.digest, digest);
    });

  it('keeps a file once that two runs download together, and both get the whole', async () => {
    const waiting: (() => unknown)[] = [];
    server = await serveTls((request, response, count) => {
      waiting.push(() => sendFile(content)(request, response, count));
      if (count === 2) for (const answer of waiting) answer();
    });
    const [one, other] = await Promise.all([read({ cacheDir: folder }), read({ cacheDir: folder })]);

    assert.deepEqual([one.digest, other.digest], [digest, digest]);
    assert.deepEqual(readdirSync(folder), [name]);
    assert.deepEqual(readFileSync(join(folder, name)), content);
  });

  it('is left alone by the second of two runs, which goes on where the first one broke off only after that', async () => {
    const first = (await openKept(folder, digest))!;
    await first.append(content.subarray(0, 1000));
    const second = await openKept(folder, digest);
    await first.close();
    const third = (await openKept(folder, digest))!;
    await third.close();

    assert.equal(second, undefined);
    assert.equal(third.bytes, 1000);
  });

  it('is not needed to the end: a part that is removed meanwhile is kept by nobody, and the run has all bytes', async () => {
    const kept = (await openKept(folder, digest))!;
    await kept.append(content);
    rmSync(join(folder, `${name}.part`));
    writeFileSync(join(folder, `${name}.part`), 'of another');
    await kept.finish();
    await kept.forget();
    await kept.close();

    assert.deepEqual(readdirSync(folder), [`${name}.part`]);
  });

  it('a link in it is not followed', async () => {
    const outside = join(folder, 'outside');
    writeFileSync(outside, 'mine');
    symlinkSync(outside, join(folder, `${name}.part`));
    await assert.rejects(fetched(sendFile(content), { cacheDir: folder }), { code: 'usage' });
    assert.equal(readFileSync(outside, 'utf8'), 'mine');
  });
});

async function fetched(answer: Answerer, request: Partial<DownloadRequest> = {}) {
  server = await serveTls(answer);
  return read(request);
}

async function read(request: Partial<DownloadRequest>) {
  const notes: string[] = [];
  const tell = (text: string) => void notes.push(text);
  const source = await download({
    address: `${server.origin}/x/kata.tar?key=secret`,
    caFile: authority,
    digest,
    patience,
    tell,
    ...request,
  });
  try {
    const pieces: Buffer[] = [];
    for await (const piece of source.pieces()) pieces.push(piece);
    return { bytes: Buffer.concat(pieces), digest: source.digest(), totalBytes: source.totalBytes, notes };
  } finally {
    await source.close();
  }
}

/** Sends the first bytes of the whole, waits until they are out, and breaks the connection. */
function breakAfter(response: ServerResponse, bytes: number, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-length': content.length, ...headers });
  response.write(content.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
}

function drip(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': content.length });
  const timer = setInterval(() => response.write('x'), 20);
  response.on('close', () => clearInterval(timer));
}

function digestOf(bytes: Buffer) {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;
}
