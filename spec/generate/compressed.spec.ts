import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { digestOf } from '../../cli/host/index.ts';
import { run as spawned } from '../lab/run.ts';
import { foreignElf } from '../support/archives/elf.ts';
import { needs } from '../support/needs.ts';
import { json, run } from '../support/program.ts';
import { textFiles } from '../support/textFiles.ts';
import { made } from './requests.ts';

const zstd = (bytes: Buffer | string) => execFileSync('zstd', ['-q', '-c'], { input: bytes });

describe('a compressed program for the first boot', function () {
  this.timeout(300_000);
  const texts = textFiles();
  const words = (kind: string, program: string) => [
    ...['generate', kind, 'https://files.example.org/kata/kata.tar.zst', '--digest', `sha256:${'1'.repeat(64)}`, '--target', 'fcos'],
    ...['--program', program, '--from', 'https://files.example.org/kata', '-o', join(texts.folder, 'out')],
  ];

  before(function () {
    needs(this, 'zstd');
  });

  describe('on the node', () => {
    let server: Server | undefined;
    let program: Buffer;
    const hookWith = (bytes: Buffer, url: string, name: string) => {
      const source = { name: 'kata-sysext-linux-x64.zst', digest: digestOf(bytes), url, sizeBytes: bytes.length };
      const text = made('ignition', 'flatcar', { program: source, bundles: [] })[0]!.text;
      const work = join(texts.folder, name);
      const hook = Buffer.from(/base64,([^"]+)/.exec(text)![1]!, 'base64').toString();
      const places = hook.replace(/^work=.*$/m, `work=${work}`).replace(/^(stamp|mark|count)=.*$/gm, `$1=${work}-$1`);
      return texts.put(`${name}.sh`, places);
    };

    before(async function () {
      needs(this, 'curl');
      program = zstd('#!/bin/sh\necho "ran $1" >&2\n');
      const made = createServer((_, response) => response.end(program));
      server = made;
      await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
    });
    after(() => {
      server?.closeAllConnections();
      server?.close();
    });
    const address = () => `http://127.0.0.1:${(server!.address() as AddressInfo).port}/p.zst`;

    it('is fetched, verified, unpacked and started', async () => {
      const ran = await spawned(['sh', hookWith(program, address(), 'good')], { allowFailure: true });

      assert.equal(ran.code, 0, ran.stderr);
      assert.match(ran.stderr, /fetched, digest right\nran install\nKata Containers is installed\n$/);
    });

    it('leaves the node without Kata where zstd is missing or cannot unpack it, and is tried again', async () => {
      const path = join(texts.folder, 'path');
      mkdirSync(path);
      const has = ['sh', 'cat', 'curl', 'cut', 'df', 'dirname', 'mkdir', 'mv', 'rm', 'sha256sum', 'tail', 'tr', 'wc'];
      for (const name of has)
        writeFileSync(join(path, name), `#!/bin/sh\nexec "$(PATH=/usr/bin:/bin command -v ${name})" "$@"\n`, { mode: 0o755 });
      const other = Buffer.from('of another program');
      mkdirSync(join(texts.folder, 'bad'));
      writeFileSync(join(texts.folder, 'bad/kata-sysext.zst'), other);

      const without = await spawned(['/bin/sh', hookWith(program, address(), 'without')], { allowFailure: true, env: { PATH: path } });
      const bad = await spawned(['sh', hookWith(other, address(), 'bad')], { allowFailure: true });

      assert.deepEqual([without.code, bad.code], [69, 69], without.stderr);
      assert.match(without.stderr, /zstd is not on this node, .* the next try is in 30 s\n$/);
      assert.match(bad.stderr, /could not be unpacked; .* the next try is in 30 s\n$/);
    });
  });

  it('is taken by generate for what it unpacks to, and nodes get its own digest', async () => {
    const file = join(texts.folder, 'p.zst');
    const bytes = zstd(foreignElf);
    writeFileSync(file, bytes);

    const ran = await run(words('butane', file));
    const text = readFileSync(join(texts.folder, 'out/kata-sysext.bu'), 'utf8');

    assert.equal(ran.status, 0, ran.stderr);
    assert.ok(
      text.includes(
        `fetch kata-sysext.zst ${digestOf(bytes).slice('sha256:'.length)} https://files.example.org/kata/p.zst ${bytes.length}\n`,
      ),
    );
  });

  it('is refused where it is no program, is damaged, unpacks to gigabytes, or becomes part of an image', async () => {
    const temporary = join(texts.folder, 'temporary');
    mkdirSync(temporary);
    const endless = join(texts.folder, 'endless.zst');
    execFileSync('sh', ['-c', 'head -c 400M /dev/zero | zstd -q -1 >"$0"', endless]);
    const rows: [kind: string, bytes: Buffer | string, status: number, found: RegExp][] = [
      ['ignition', zstd('#!/bin/sh\n'), 2, /no program \(no ELF file\)/],
      ['ignition', 'not compressed at all', 4, /zstd could not decompress it/],
      ['ignition', zstd(foreignElf).subarray(0, 20), 4, /zstd could not decompress it/],
      ['ignition', readFileSync(endless), 2, /unpacks to more than 268435456 bytes/],
      ['containerfile', zstd(foreignElf), 2, /is compressed/],
    ];
    for (const [index, [kind, bytes, status, found]] of rows.entries()) {
      const file = join(texts.folder, `refused-${index}.zst`);
      writeFileSync(file, bytes);

      const refused = await json(words(kind, file), status, { env: { TMPDIR: temporary } });

      assert.match(String(refused['found']), found);
    }
    assert.deepEqual(readdirSync(temporary), []);
    assert.equal((await json(words('ignition', join(texts.folder, 'absent.zst')), 4))['code'], 'bundle-missing');
  });
});
