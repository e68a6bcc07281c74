import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usualPatience } from '../../cli/download/types.ts';
import type { Collected } from '../../cli/sbom/index.ts';
import { type Answerer, authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';

const content = Buffer.from('the sources of a component\n'.repeat(1000));
const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
const patience = { ...usualPatience, backoffMs: 1, failures: 1 };

/** A component for each path of the server; undefined: the release names no address. */
type Wanted = [component: string, path: string | undefined][];

describe('the sources of components', () => {
  let folder: string;
  let server: TlsServer;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-collect-'));
  });
  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Loaded with import(), as the part itself loads the download: else neither knows the errors of the other. */
  async function collected(answer: Answerer, wanted: Wanted, more: { maxBytes?: number; signal?: AbortSignal } = {}): Promise<Collected[]> {
    const { collectSources } = await import('../../cli/sbom/collect.ts');
    server = await serveTls(answer);
    const sources = wanted.map(([name, path]) => ({
      name,
      version: '1.0',
      parts: [],
      offer: true,
      address: path === undefined ? undefined : `${server.origin}${path}`,
    }));
    const fetching = { caFile: authority, patience };
    const { signal = new AbortController().signal } = more;
    return collectSources({ sources, folder: join(folder, 'sources'), fetching, emit: () => undefined, ...more, signal });
  }

  it('lie in the folder with their digests, each address once, and a list says so', async () => {
    const wanted: Wanted = [
      ['qemu', '/archive/v1.0.tar.gz'],
      ['linux', '/linux-6.1.tar.xz'],
      ['linux-nvidia-gpu', '/linux-6.1.tar.xz'],
      ['guest-image', undefined],
    ];

    const found = await collected(sendFile(content), wanted);

    const [qemu, linux] = [`${server.origin}/archive/v1.0.tar.gz`, `${server.origin}/linux-6.1.tar.xz`];
    const bytes = `${content.length} bytes | ${digest}`;
    assert.deepEqual(
      found.map(({ component, file, reason }) => [component, file, reason]),
      [
        ['qemu', 'qemu-v1.0.tar.gz', undefined],
        ['linux', 'linux-6.1.tar.xz', undefined],
        ['linux-nvidia-gpu', 'linux-6.1.tar.xz', undefined],
        ['guest-image', undefined, 'the release names no address of the sources'],
      ],
    );
    assert.equal(server.seen.length, 2);
    assert.deepEqual(readdirSync(join(folder, 'sources')).sort(), ['COLLECTED', 'linux-6.1.tar.xz', 'qemu-v1.0.tar.gz']);
    assert.deepEqual(readFileSync(join(folder, 'sources/qemu-v1.0.tar.gz')), content);
    assert.deepEqual(readFileSync(join(folder, 'sources/COLLECTED'), 'utf8').split('\n'), [
      `qemu | qemu-v1.0.tar.gz | ${bytes} | ${qemu}`,
      `linux | linux-6.1.tar.xz | ${bytes} | ${linux}`,
      `linux-nvidia-gpu | linux-6.1.tar.xz | ${bytes} | ${linux}`,
      'guest-image | not collected: the release names no address of the sources',
      '',
    ]);
  });

  const bad: [what: string, answer: Answerer, reason: RegExp][] = [
    ['a server without the file', (_, response) => response.writeHead(404).end(), /404/],
    ['a redirect to http', (_, response) => response.writeHead(302, { location: 'http://localhost/x' }).end(), /not https/],
    [
      'a server that breaks off',
      (_, response) => response.writeHead(200, { 'content-length': 1000 }).write('x', () => response.destroy()),
      /downloaded/,
    ],
    [
      'a server that sends more than there is room for',
      (request, response, count) => sendFile(Buffer.alloc(100_001))(request, response, count),
      /more than the 100000 bytes/,
    ],
  ];
  for (const [what, answer, reason] of bad)
    it(`${what} is a reason, and no part of a file stays`, async () => {
      const good = sendFile(Buffer.from('good'));
      const either: Answerer = (request, response, count) =>
        request.url === '/good.tar' ? good(request, response, count) : answer(request, response, count);

      const [first, second] = await collected(
        either,
        [
          ['qemu', '/bad.tar'],
          ['linux', '/good.tar'],
        ],
        { maxBytes: 100_000 },
      );

      assert.match(first?.reason ?? '', reason);
      assert.equal(second?.file, 'linux-good.tar');
      assert.deepEqual(readdirSync(join(folder, 'sources')).sort(), ['COLLECTED', 'linux-good.tar']);
    });

  it('never replace a file, and end when they are asked to', async () => {
    const { mkdirSync } = await import('node:fs');
    mkdirSync(join(folder, 'sources'));
    writeFileSync(join(folder, 'sources/qemu-v1.tar'), 'mine');
    const stop = new AbortController();

    const over = collected(sendFile(content), [['qemu', '/v1.tar']]);
    await assert.rejects(over, /qemu-v1\.tar is there already/);
    await server.close();
    const stopped = collected(
      (_, response) => {
        response.writeHead(200).write('x');
        stop.abort();
      },
      [['linux', '/linux.tar']],
      { signal: stop.signal },
    );
    await assert.rejects(stopped, { code: 'interrupted' });

    assert.equal(readFileSync(join(folder, 'sources/qemu-v1.tar'), 'utf8'), 'mine');
    assert.equal(existsSync(join(folder, 'sources/linux.tar')), false);
  });
});
