import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { byBytes } from '../../cli/host/index.ts';
import { oneFileOptions } from '../../scripts/bundle.ts';
import { type CacheHeaders, withCachesFor } from '../../scripts/single/builtinCaches.ts';

const [v8, otherV8, source] = ['2806dec074feda79', '2806dec000000000', '01000000'];
const headers: CacheHeaders = { without: Buffer.from(`${v8}${source}aaaaaaaa`, 'hex'), with: Buffer.from(`${v8}${source}bbbbbbbb`, 'hex') };
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('withCachesFor', () => {
  it('gives the caches of this V8 the other flags, whatever their source, and changes nothing else', () => {
    const file = hex(`00 ${v8} 11111111 aaaaaaaa ff ${otherV8} 22222222 aaaaaaaa aaaaaaaa ${v8} 33333333 cccccccc ${v8} 44444444 aaaaaaaa`);
    const before = file.toString('hex');

    const changed = withCachesFor(file, headers);

    assert.deepEqual(
      changed,
      hex(`00 ${v8} 11111111 bbbbbbbb ff ${otherV8} 22222222 aaaaaaaa aaaaaaaa ${v8} 33333333 cccccccc ${v8} 44444444 bbbbbbbb`),
    );
    assert.equal(file.toString('hex'), before);
  });

  it('refuses a file without a cache of this V8, a cut one, and headers of two versions', () => {
    const none = hex(`${otherV8} 11111111 aaaaaaaa`);
    const cut = hex(`${v8} 11111111 aaaa`);
    const two = { ...headers, with: hex(`${otherV8} ${source} bbbbbbbb`) };

    for (const file of [none, cut, Buffer.alloc(0)]) assert.throws(() => withCachesFor(file, headers), /no code cache/);
    assert.throws(() => withCachesFor(hex(`${v8} 11111111 aaaaaaaa`), two), /one V8/);
  });
});

describe('the bundled program', function () {
  this.timeout(300_000);

  /**
   * long tries WebAssembly, and counts without it where that fails. What protobufjs calls fetch reads a file. What the client library of
   * Kubernetes calls fetch is the stub of scripts/nodeFetch.ts, which throws.
   */
  const harmless = [
    '@kubernetes/client-node/dist/gen/http/isomorphic-fetch.js',
    '@protobufjs/fetch/index.js',
    'long/umd/index.js',
    'protobufjs/src/root.js',
    'scripts/nodeFetch.ts',
  ];

  it('needs no WebAssembly, which --jitless takes away: neither itself nor through Node’s fetch', async () => {
    const { metafile } = await build({ ...oneFileOptions('unused.cjs', []), write: false });
    const files = Object.keys(metafile?.inputs ?? {}).filter((name) => !name.startsWith('<define:'));
    const needing = (text: string) => /\bWebAssembly\b|(?<![.\w$])fetch\(|globalThis\.fetch|\bundici\b/.test(text);

    const found = files.filter((file) => needing(readFileSync(file, 'utf8').replace(/^\s*(\/\/|\*).*$/gm, '')));

    assert.ok(files.length > 300, `only ${files.length} files`);
    assert.deepEqual(found.map((file) => file.replace(/^.*node_modules\//, '')).sort(byBytes), harmless);
  });
});
