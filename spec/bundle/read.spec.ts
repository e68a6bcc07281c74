import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bundle, digestOfSource, readBundles } from '../../cli/bundle/index.ts';
import type { Event } from '../../cli/output/events.ts';
import { file, folder, makeTar, symlink, type TarMember } from '../support/archives/tar.ts';
import { needs } from '../support/needs.ts';
import { type Bench, compress, makeBench, pathsBelow, unpack } from './unpack.ts';

const k = (path: string): string => `./opt/kata/${path}`;
const head: TarMember[] = [folder('./'), folder('./opt/'), folder('./opt/kata/'), file(k('VERSION'), '4.1.0\n')];

describe('reading a bundle', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  const big = Buffer.from(Array.from({ length: 3_500_000 }, (_, at) => (at * 7919) % 251));
  const members: TarMember[] = [
    ...head,
    folder(k('bin')),
    file(k('bin/qemu'), big, 0o775),
    file(k('share/defaults/a.toml'), 'a = 1\n', 0o200),
    symlink(k('share/link'), 'defaults/a.toml'),
    symlink(k('share/deep/absolute'), '/opt/kata/bin/qemu'),
    file(k('empty'), ''),
  ];

  for (const format of ['tar', 'zstd', 'xz', 'gzip'] as const) {
    it(`unpacks ${format}, known by its bytes, whatever its name`, async function () {
      if (format !== 'tar') needs(this, format);
      const plain = makeTar(members);
      const bytes = format === 'tar' ? plain : compress(format, plain);

      const bundle = await unpack(bench, bytes);

      assert.equal(bundle.version, '4.1.0');
      assert.deepEqual(bundle.sources, [{ name: 'release.tar', digest: sha256(bytes), sizeBytes: bytes.length }]);
      assert.deepEqual(readFileSync(join(bench.into, 'bin/qemu')), big);
      assert.deepEqual(bundle.entries, [
        { path: 'VERSION', kind: 'file', mode: 0o644, sizeBytes: 6, digest: sha256('4.1.0\n') },
        { path: 'bin', kind: 'directory', mode: 0o755 },
        { path: 'bin/qemu', kind: 'file', mode: 0o755, sizeBytes: big.length, digest: sha256(big) },
        { path: 'empty', kind: 'file', mode: 0o644, sizeBytes: 0, digest: sha256('') },
        { path: 'share', kind: 'directory', mode: 0o755 },
        { path: 'share/deep', kind: 'directory', mode: 0o755 },
        { path: 'share/deep/absolute', kind: 'symlink', mode: 0o777, target: '../../bin/qemu' },
        { path: 'share/defaults', kind: 'directory', mode: 0o755 },
        { path: 'share/defaults/a.toml', kind: 'file', mode: 0o600, sizeBytes: 6, digest: sha256('a = 1\n') },
        { path: 'share/link', kind: 'symlink', mode: 0o777, target: 'defaults/a.toml' },
      ]);
      assert.deepEqual(entriesOnDisk(bench.into), bundle.entries);
    });
  }

  it('gives files their modes whatever the umask is', async () => {
    const before = process.umask(0o077);

    await unpack(bench, members).finally(() => process.umask(before));

    assert.equal(lstatSync(join(bench.into, 'bin/qemu')).mode & 0o7777, 0o755);
    assert.equal(lstatSync(join(bench.into, 'share')).mode & 0o7777, 0o755);
  });

  it('writes what is kept, and counts and lists the rest', async () => {
    const bundle = await unpack(bench, members, { keep: (path) => path.startsWith('share/') });

    assert.deepEqual(readdirSync(bench.into), ['share']);
    assert.equal(bundle.skippedFiles, 3);
    assert.equal(bundle.skippedBytes, big.length + 6);
    assert.equal(bundle.version, '4.1.0');
    assert.deepEqual([...bundle.listing.keys()].sort(byName), [
      'VERSION',
      'bin',
      'bin/qemu',
      'empty',
      'share',
      'share/deep',
      'share/deep/absolute',
      'share/defaults',
      'share/defaults/a.toml',
      'share/link',
    ]);
    assert.equal(bundle.listing.get('bin/qemu')?.sizeBytes, big.length);
  });

  for (const long of ['gnu', 'pax'] as const) {
    it(`understands long names and targets of ${long}, and sizes in base 256`, async () => {
      const name = `share/${'long-folder-name/'.repeat(9)}file`;
      const target = `${'long-folder-name/'.repeat(9)}file`;

      const bundle = await unpack(bench, [
        ...head,
        { name: k(name), content: 'x', long, base256: true },
        { ...symlink(k('share/l'), target), long },
      ]);

      assert.equal(readFileSync(join(bench.into, name), 'utf8'), 'x');
      assert.equal(bundle.listing.get('share/l')?.target, target);
    });
  }

  it('takes a hard link as a file of its own', async () => {
    const bundle = await unpack(bench, [...head, file(k('a'), 'same', 0o755), { name: k('d/b'), type: '1', linkName: k('a') }]);

    assert.equal(readFileSync(join(bench.into, 'd/b'), 'utf8'), 'same');
    assert.equal(lstatSync(join(bench.into, 'a')).nlink, 1);
    assert.deepEqual(entriesOnDisk(bench.into), bundle.entries);
  });

  it('says what machine the programs are for', async () => {
    const elf = (machine: number): Buffer => {
      const bytes = Buffer.alloc(64);
      bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
      bytes.writeUInt16LE(machine, 18);
      return bytes;
    };

    const bundle = await unpack(bench, [
      ...head,
      file(k('bin/a'), elf(62)),
      file(k('runtime-rs/bin/b'), elf(183)),
      file(k('bin/script'), '#!/bin/sh\n'),
    ]);

    assert.deepEqual(
      [...(bundle.machines ?? [])],
      [
        ['bin/a', 'x86_64'],
        ['runtime-rs/bin/b', 'aarch64'],
      ],
    );
  });

  it('tells its progress up to the last byte', async () => {
    const events: Event[] = [];
    const bytes = makeTar(members);

    await unpack(bench, bytes, { emit: (event) => events.push(event) });

    assert.deepEqual(events.at(-1), { kind: 'bytes', name: 'unpack', doneBytes: bytes.length, totalBytes: bytes.length });
  });

  it('merges archives of one release', async function () {
    needs(this, 'zstd');
    const one = join(bench.root, 'one.tar');
    const two = join(bench.root, 'two.tar.zst');
    writeFileSync(one, makeTar([...head, file(k('bin/go'), 'go'), symlink(k('share/l'), 'x')]));
    writeFileSync(two, compress('zstd', makeTar([...head, file(k('bin/rust'), 'rust'), symlink(k('share/l'), 'x')])));

    const bundle = await readBundles({ sources: [one, two], into: bench.into, keep: () => true, emit: () => undefined });

    assert.deepEqual(
      bundle.sources.map((source) => source.name),
      ['one.tar', 'two.tar.zst'],
    );
    assert.deepEqual(entriesOnDisk(bench.into), bundle.entries);
    assert.ok(bundle.listing.has('bin/go') && bundle.listing.has('bin/rust'));
  });

  for (const [title, other] of [
    ['content', file(k('bin/go'), 'GO')],
    ['size', file(k('bin/go'), 'longer')],
    ['kind', symlink(k('bin/go'), 'x')],
    ['folder', folder(k('bin/go'))],
  ] as const) {
    it(`refuses archives that claim one path with another ${title}`, async () => {
      const one = join(bench.root, 'one.tar');
      const two = join(bench.root, 'two.tar');
      writeFileSync(one, makeTar([...head, file(k('bin/go'), 'go')]));
      writeFileSync(two, makeTar([...head, other]));

      const outcome = readBundles({ sources: [one, two], into: bench.into, keep: () => true, emit: () => undefined });

      await assert.rejects(outcome, { code: 'bundle-member-duplicate' });
    });
  }

  it('refuses to write through a link of an earlier archive', async () => {
    const one = join(bench.root, 'one.tar');
    const two = join(bench.root, 'two.tar');
    writeFileSync(one, makeTar([...head, symlink(k('d'), 'e')]));
    writeFileSync(two, makeTar([file(k('d/x'))]));

    const outcome = readBundles({ sources: [one, two], into: bench.into, keep: () => true, emit: () => undefined });

    await assert.rejects(outcome, { code: 'bundle-member-escapes' });
  });

  for (const format of ['gnu', 'pax', 'ustar', 'oldgnu', 'v7']) {
    it(`reads what GNU tar writes with --format=${format}`, async () => {
      // Version 7 has no names beyond 99 bytes.
      const source = realTree(bench, format === 'v7' ? 2 : 3);
      const bytes = execFileSync(
        'tar',
        ['-C', join(bench.root, 'source'), `--format=${format}`, '--owner=0', '--group=0', '-cf', '-', './opt'],
        { maxBuffer: 1 << 28 },
      );

      const bundle = await unpack(bench, bytes);

      assert.deepEqual(entriesOnDisk(bench.into), entriesOnDisk(source));
      assert.deepEqual(bundle.entries, entriesOnDisk(source));
    });
  }

  for (const inner of ['', 'opt/kata']) {
    it(`copies an unpacked folder, named by ${inner === '' ? 'the folder above opt/kata' : 'opt/kata itself'}`, async () => {
      const source = realTree(bench);
      const path = join(bench.root, 'source', inner);

      const bundle = await readBundles({
        sources: [path],
        into: bench.into,
        keep: (one) => !one.startsWith('bin/'),
        emit: () => undefined,
      });

      assert.deepEqual(
        bundle.entries,
        entriesOnDisk(source).filter((entry) => entry.path !== 'bin' && !entry.path.startsWith('bin/')),
      );
      assert.deepEqual(entriesOnDisk(bench.into), bundle.entries);
      assert.equal(bundle.sources[0]?.digest, await digestOfSource(path));
      assert.equal(bundle.version, '4.1.0');
    });
  }

  it('gives a folder another digest when a skipped file in it changes', async () => {
    const source = realTree(bench);
    const before = await digestOfSource(source);

    writeFileSync(join(source, 'bin/qemu'), 'other');

    assert.notEqual(await digestOfSource(source), before);
  });
});

function realTree(bench: Bench, depth = 3): string {
  const source = join(bench.root, 'source/opt/kata');
  const names = `share/${'very-long-folder-name/'.repeat(depth)}`;
  for (const path of ['bin', names, 'share/defaults/kata-containers', 'share/kata-containers'])
    mkdirSync(join(source, path), { recursive: true });
  writeFileSync(join(source, 'VERSION'), '4.1.0\n');
  writeFileSync(join(source, 'bin/qemu'), Buffer.alloc(2_500_001, 'qemu'));
  chmodSync(join(source, 'bin/qemu'), 0o755);
  writeFileSync(join(source, names, 'ä file with spaces'), 'x');
  writeFileSync(join(source, 'share/defaults/kata-containers/configuration.toml'), 'a = 1\n');
  writeFileSync(join(source, 'share/kata-containers/image.img'), Buffer.alloc(512, 1));
  symlinkSync('image.img', join(source, 'share/kata-containers/kata-containers.img'));
  return source;
}

/** What is on the disk, in the shape of entries: an own walk, so that the reader does not judge itself. */
function entriesOnDisk(root: string): Bundle['entries'] {
  const entries = pathsBelow(root).map((path): Bundle['entries'][number] => {
    const stat = lstatSync(join(root, path));
    const mode = stat.mode & 0o7777;
    if (stat.isSymbolicLink()) return { path, kind: 'symlink', mode, target: readlinkSync(join(root, path)) };
    if (stat.isDirectory()) return { path, kind: 'directory', mode };
    return { path, kind: 'file', mode, sizeBytes: stat.size, digest: sha256(readFileSync(join(root, path))) };
  });
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function sha256(bytes: Buffer | string): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1;
}
