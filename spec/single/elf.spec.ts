import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byBytes } from '../../cli/host/index.ts';
import { withoutSymbols } from '../../scripts/single/elf.ts';
import { type Arch, archs, nodeFolder } from '../../scripts/single/node.ts';
import { run } from '../lab/run.ts';
import { repo } from '../support/program.ts';
import { singleFile, singleFiles, singleFolder } from '../support/singleFile.ts';

/** What the hosts' libraries have: glibc 2.28 (RHEL 8, 2018), the libstdc++ of GCC 6. */
const newest: Record<string, number[]> = { GLIBC: [2, 28], GLIBCXX: [3, 4, 22], CXXABI: [1, 3, 9], GCC: [4, 3, 0] };
const libraries = ['libc.so.6', 'libdl.so.2', 'libgcc_s.so.1', 'libm.so.6', 'libpthread.so.0', 'libstdc++.so.6'];
const loaders: Record<Arch, string> = { x64: '/lib64/ld-linux-x86-64.so.2', arm64: '/lib/ld-linux-aarch64.so.1' };
const largestBytes = 40_000_000;

describe('the single file', function () {
  this.timeout(900_000);
  let files: Record<Arch, string>;

  before(async () => {
    files = await singleFiles();
  });

  for (const arch of ['x64', 'arm64'] as const) {
    it(`for ${arch} needs glibc 2.28, libstdc++ and libgcc of a host, and nothing else`, async () => {
      const { stdout: dynamic } = await run(['readelf', '--dynamic', '--wide', files[arch]]);
      const { stdout: headers } = await run(['readelf', '--program-headers', '--wide', files[arch]]);
      const { stdout: versions } = await run(['readelf', '--version-info', '--wide', files[arch]]);

      const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name!);
      const asked = [...versions.matchAll(/Name: (GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)/g)].map(([, family, version]) => ({
        family: family!,
        version: version!.split('.').map(Number),
      }));

      assert.deepEqual(needed.filter((name) => !/^ld-linux-/.test(name)).sort(byBytes), libraries);
      assert.match(headers, new RegExp(`interpreter: ${loaders[arch]}\\]`));
      assert.ok(asked.length > 10, versions);
      assert.deepEqual(
        asked.filter(({ family, version }) => compare(version, newest[family]!) > 0),
        [],
      );
      assert.doesNotMatch(dynamic, /RPATH|RUNPATH/);
    });

    it(`for ${arch} has no symbols and no folder of the machine that made it`, async () => {
      const { stdout } = await run(['readelf', '--sections', '--wide', files[arch]]);
      const bytes = await readFile(files[arch]);

      assert.match(stdout, /\.text /);
      assert.doesNotMatch(stdout, /\.symtab|\.debug_/);
      assert.equal(bytes.includes(repo), false);
      assert.equal(bytes.includes('.making-'), false);
    });

    it(`for ${arch} has at most 40 MB when compressed, and unpacks to the same bytes without an option`, async () => {
      const { size } = await stat(`${files[arch]}.zst`);
      const { stdout } = await run([
        'sh',
        '-c',
        'zstd --quiet --decompress --stdout "$1" | cmp - "$2" && echo same',
        'sh',
        `${files[arch]}.zst`,
        files[arch],
      ]);

      assert.ok(size <= largestBytes, `${size} bytes`);
      assert.equal(stdout, 'same\n');
    });
  }

  it('comes with the digests of all that is published, and the licences of what is inside', async () => {
    const folder = await singleFolder();
    const { stdout } = await run(['sha256sum', '--check', 'SHA256SUMS'], { cwd: folder });
    const licences = await readFile(`${folder}/THIRD-PARTY-LICENSES`, 'utf8');

    const whole = [
      'THIRD-PARTY-LICENSES',
      '_kata-sysext',
      ...archs.flatMap((arch) => [`kata-sysext-linux-${arch}`, `kata-sysext-linux-${arch}.zst`]),
      'kata-sysext.8',
      'kata-sysext.bash',
      'kata-sysext.fish',
    ];
    assert.deepEqual(stdout.trimEnd().split('\n').sort(byBytes), whole.map((name) => `${name}: OK`).sort(byBytes));
    for (const name of ['Node.js 22', 'yargs 18', 'dbus-next 0', '@grpc/grpc-js 1', '@iarna/toml 3'])
      assert.ok(licences.includes(`${name}.`), name);
  });

  it('is the same, byte for byte, when it is made again', async () => {
    const { stdout } = await run(['sh', '-c', 'cmp "$1" "$2" && echo same', 'sh', await singleFile('x64'), files.x64], {
      allowFailure: true,
    });

    assert.equal(stdout, 'same\n');
  });
});

describe('withoutSymbols', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-elf-'));
  after(() => rmSync(folder, { recursive: true }));

  it('takes out what strip does: the loaded sections stay as they are, and the program runs', async () => {
    const [real, ours, theirs] = [join(await nodeFolder('x64'), 'node'), join(folder, 'ours'), join(folder, 'theirs')];
    await writeFile(ours, withoutSymbols(await readFile(real)), { mode: 0o755 });
    await run(['strip', '-o', theirs, real]);

    const row = /^ +\[ *\d+\] \.?\w.* [0-9a-f]{2} +[WIXTl]*A[WIXTl]* .*$/gm;
    const loaded = async (file: string) => (await run(['readelf', '--sections', '--wide', file])).stdout.match(row);
    const { stdout } = await run([ours, '-p', '6 * 7']);

    assert.equal(stdout, '42\n');
    assert.ok((await loaded(real))!.length > 20);
    assert.deepEqual(await loaded(ours), await loaded(real));
    // strip also closes holes that the linker left for alignment: 1 MB
    assert.ok((await stat(ours)).size < (await stat(theirs)).size * 1.02);
    assert.ok(withoutSymbols(await readFile(ours)).equals(await readFile(ours)));
  });

  for (const [what, bytes] of [
    ['a text', Buffer.from('#!/bin/sh\necho no program\n'.padEnd(100))],
    ['a cut header', Buffer.from('7f454c4602010100', 'hex')],
    ['a 32-bit program', Buffer.concat([Buffer.from('7f454c4601010100', 'hex'), Buffer.alloc(92)])],
    ['a program without sections', Buffer.concat([Buffer.from('7f454c4602010100', 'hex'), Buffer.alloc(92)])],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => withoutSymbols(bytes));
    });
  }
});

function compare(a: number[], b: number[]): number {
  const at = a.findIndex((part, index) => part !== (b[index] ?? 0));
  return at === -1 ? 0 : a[at]! - (b[at] ?? 0);
}
