import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Arch, archs } from '../../scripts/single/node.ts';
import { run } from '../lab/run.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter } from '../support/endings.ts';
import { spdxFaults } from '../support/judges/spdx.ts';
import { needs } from '../support/needs.ts';
import { layoutOf } from '../support/nodeImage.ts';
import { repo } from '../support/program.ts';
import { singleFiles } from '../support/singleFile.ts';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { architecture: string; os: string };
  annotations?: Record<string, string>;
}

interface Read {
  manifests: Descriptor[];
  config: Descriptor;
  layers: Descriptor[];
}

const interpreters: Record<Arch, string> = { x64: 'lib64/ld-linux-x86-64.so.2', arm64: 'lib/ld-linux-aarch64.so.1' };

describe('the image of the node pod', function () {
  this.timeout(900_000);
  let folder: string;
  let layout: string;
  const roots = {} as Record<Arch, string>;
  const indexes: string[] = [];

  before(async function () {
    needs(this, 'root', 'mmdebstrap', 'zstd', 'tar');
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-image-spec-'));
    const programs = await singleFiles();
    for (const [name, mask] of [
      ['first', 0o022],
      ['second', 0o077],
    ] as const) {
      const before = process.umask(mask);
      mkdirSync(join(folder, name), { mode: 0o755 });
      indexes.push(await layoutOf(programs, join(folder, name, 'layout'), join(folder, name)).finally(() => process.umask(before)));
    }
    layout = join(folder, 'first/layout');
    for (const arch of archs) {
      roots[arch] = join(folder, `unpacked-${arch}`);
      mkdirSync(roots[arch]);
      await run(['tar', '--zstd', '-xpf', layerOf(arch), '-C', roots[arch]]);
    }
  });
  removeAfter(() => folder);

  const blob = ({ digest }: Pick<Descriptor, 'digest'>) => join(layout, 'blobs/sha256', digest.replace('sha256:', ''));
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Read;
  const index = () => read(blob(read(join(layout, 'index.json')).manifests[0]!));
  const manifestOf = (arch: Arch) => read(blob(index().manifests[archs.indexOf(arch)]!));
  const layerOf = (arch: Arch) => blob(manifestOf(arch).layers[0]!);

  it('is one index for both architectures, the same bytes when it is made again, and each blob is what its name says', () => {
    const named = read(join(layout, 'index.json')).manifests;
    const all = [...named, ...index().manifests, ...archs.flatMap((arch) => [manifestOf(arch).config, ...manifestOf(arch).layers])];

    assert.equal(new Set(indexes).size, 1);
    assert.deepEqual(
      index().manifests.map(({ platform }) => `${platform?.os}/${platform?.architecture}`),
      ['linux/amd64', 'linux/arm64'],
    );
    for (const each of all) {
      const bytes = readFileSync(blob(each));
      assert.deepEqual([`sha256:${sha256(bytes)}`, bytes.length], [each.digest, each.size]);
    }
    assert.deepEqual(readdirSync(join(layout, 'blobs/sha256')).length, all.length);
  });

  it('says nothing of what is run, only by whom', () => {
    const configs = archs.map(
      (arch) => JSON.parse(readFileSync(blob(manifestOf(arch).config), 'utf8')) as { config: Record<string, unknown> },
    );

    for (const { config } of configs) assert.deepEqual([config['User'], config['Entrypoint'], config['Cmd']], ['0', undefined, undefined]);
  });

  for (const arch of archs) {
    it(`for ${arch} has the program, what it needs and licences, owned by root, and no link, device or set-id bit`, async () => {
      const { stdout } = await run(['find', '.', '-mindepth', '1', '-printf', '%y %m %u %g %P\n'], { cwd: roots[arch] });
      const rows = stdout.trim().split('\n').sort();
      const triplet = arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
      const files = rows.filter((row) => row.startsWith('f')).map((row) => row.split(' ').at(-1)!);
      const libraries = ['libc.so.6', 'libdl.so.2', 'libgcc_s.so.1', 'libm.so.6', 'libpthread.so.0', 'libstdc++.so.6'];

      assert.deepEqual([...new Set(rows.map((row) => row.split(' ').slice(0, 4).join(' ')))].sort(), [
        'd 755 root root',
        'f 644 root root',
        'f 755 root root',
      ]);
      assert.deepEqual(
        files.filter((name) => !name.startsWith('usr/share/')),
        [
          ...['etc/group', 'etc/passwd', 'kata-sysext', interpreters[arch], 'report'],
          ...libraries.map((name) => `lib/${triplet}/${name}`),
          ...(arch === 'x64' ? [`lib/${triplet}/ld-linux-x86-64.so.2`] : [`lib/${triplet}/ld-linux-aarch64.so.1`]),
        ].sort(),
      );
      for (const name of ['libc6', 'libstdc++6', 'libgcc-s1', 'gcc-12-base'])
        assert.ok(files.includes(`usr/share/doc/${name}/copyright`), name);
      assert.ok(files.includes('usr/share/doc/kata-sysext/THIRD-PARTY-LICENSES'));
    });
  }

  it('runs on x64 in a root of its own without anything of the machine, and on arm64 in the emulator', async () => {
    const own = await run(['chroot', roots.x64, '/kata-sysext', '--version'], { env: { PATH: process.env['PATH'] ?? '' } });
    const other = await run(['qemu-aarch64-static', '-L', roots.arm64, join(roots.arm64, 'kata-sysext'), '--version']);
    const reports = [
      await run(['chroot', roots.x64, '/report', 'ready'], { allowFailure: true }),
      await run(['qemu-aarch64-static', join(roots.arm64, 'report'), 'ready', join(folder, 'none')], { allowFailure: true }),
    ];

    assert.match(own.stdout, /^\d+\.\d+\.\d+/);
    assert.equal(other.stdout, own.stdout);
    assert.deepEqual(
      reports.map(({ code, stdout }) => [code, stdout]),
      reports.map(() => [1, 'no report yet\n']),
    );
  });

  it('is what npm run image makes, with an SBOM that names the packages of Debian', async () => {
    const out = join(folder, 'made');
    const { stdout } = await run(['npm', 'run', '--silent', 'image', '--', '-o', out, '--level', '1'], { cwd: repo, timeoutMs: 900_000 });
    const sbom = readFileSync(join(out, 'kata-sysext-image.spdx.json'), 'utf8');
    const [digest] = /^sha256:[0-9a-f]{64}/m.exec(stdout) ?? [];

    assert.deepEqual(readdirSync(out).sort(), [
      'blobs',
      'index.json',
      'kata-sysext-image.spdx-2.2.json',
      'kata-sysext-image.spdx.json',
      'oci-layout',
    ]);
    assert.equal(read(join(out, 'index.json')).manifests[0]!.digest, digest);
    assert.deepEqual(spdxFaults(sbom, '2.3'), []);
    assert.match(sbom, /pkg:deb\/debian\/libc6@[^"]+arch=amd64/);
    assert.match(sbom, /pkg:deb\/debian\/libc6@[^"]+arch=arm64/);
  });
});
