import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOfSource, readBundles } from '../../cli/bundle/index.ts';
import { countOf, limits } from '../../cli/bundle/limits.ts';
import { KataError } from '../../cli/errors/index.ts';
import { file, makeTar, symlink, type TarMember } from '../support/archives/tar.ts';
import { type Bench, compress, makeBench, pathsBelow, unpack } from './unpack.ts';

const k = (path: string): string => `./opt/kata/${path}`;
const release: TarMember[] = [file(k('VERSION'), '4.1.0\n'), file(k('bin/x'), Buffer.alloc(5000, 1))];
const whole = makeTar(release);

function has(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

describe('a bundle that takes too much', function () {
  this.timeout(600_000);
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  for (const [title, program, args] of [
    ['a dictionary of 1.5 GiB', 'xz', ['--lzma2=preset=0,dict=1536MiB']],
    ['a dictionary of 300 MiB', 'xz', ['--lzma2=preset=0,dict=300MiB']],
    ['a window of 512 MiB', 'zstd', ['-1', '--long=29']],
  ] as const) {
    it(`is refused for ${title} (${program})`, async function () {
      if (!has(program)) {
        console.log(`      there is no ${program}`);
        return this.skip();
      }
      // zstd makes the window no larger than what it is told of.
      const input = program === 'zstd' ? Buffer.concat([whole, Buffer.alloc(2 ** 28)]) : whole;
      const bytes = execFileSync(program, ['-c', '-q', ...args], { input, maxBuffer: 1 << 28 });

      const outcome = unpack(bench, bytes);

      await assert.rejects(outcome, (error: KataError) => {
        assert.equal(error.code, 'bundle-too-large');
        assert.equal(error.exitCode, 4);
        assert.match(error.complaint.found, /more memory than it gets/);
        assert.match(error.complaint.needed, /at most \d+MiB/);
        return true;
      });
    });
  }

  it('is refused when a frame of another format hides behind one of zstd', async function () {
    if (!has('zstd') || !has('xz')) {
      console.log('      there is no zstd or no xz');
      return this.skip();
    }
    const hungry = execFileSync('xz', ['-c', '-q', '--lzma2=preset=0,dict=1536MiB'], { input: whole.subarray(1024) });
    const bytes = Buffer.concat([compress('zstd', whole.subarray(0, 1024)), hungry]);

    const outcome = unpack(bench, bytes);

    await assert.rejects(outcome, (error: KataError) => ['bundle-too-large', 'bundle-damaged'].includes(error.code));
  });

  it('is refused for one member too many, also where folders are only named by what is in them', async () => {
    const flat = Array.from({ length: limits.members + 1 }, (_, at) => symlink(k(`l${at}`), 'x'));
    const deep = Array.from({ length: 2000 }, (_, at) => ({ ...symlink(k(`${at}/${'a/'.repeat(58)}l`), 'x'), long: 'pax' as const }));

    for (const members of [flat, deep]) {
      const outcome = unpack(bench, gzipSync(makeTar(members), { level: 1 }), { keep: () => false });

      await assert.rejects(outcome, { code: 'bundle-too-large' });
    }
  });

  it('counts the names of members, and the headers that only extend them', async () => {
    const long = `${'n'.repeat(200)}/`.repeat(9);
    const names = Array.from({ length: 9500 }, (_, at) => ({ ...symlink(k(`${long}${at}`), 'x'), long: 'pax' as const }));
    const records = Array.from({ length: 70 }, (_, at) => ({ ...file(k(`f${at}`), ''), pax: { comment: 'x'.repeat(1_000_000) } }));

    for (const members of [names, records]) {
      const outcome = unpack(bench, members, { keep: () => false });

      await assert.rejects(outcome, { code: 'bundle-too-large' });
    }
  });

  it('is refused for more text than is kept in memory', async () => {
    const texts = Array.from({ length: 20 }, (_, at) => file(k(`share/${at}.toml`), Buffer.alloc(1_000_000, 'a')));

    const outcome = unpack(bench, texts, { keep: () => false, tell: (path) => path.endsWith('.toml') });

    await assert.rejects(outcome, { code: 'bundle-too-large' });
  });

  it('has one limit of members for archives and folders', () => {
    const count = countOf('x');
    count.add('members', limits.members);

    assert.throws(() => count.add('members', 1), { code: 'bundle-too-large' });
    assert.equal(limits.members, 100_000);
  });
});

describe('an archive of gzip', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  it('may be several streams behind each other, cut anywhere', async () => {
    for (const at of [1, 511, 512, 700, whole.length - 1]) {
      rmSync(bench.into, { recursive: true });
      mkdirSync(bench.into);
      const bytes = Buffer.concat([gzipSync(whole.subarray(0, at)), gzipSync(whole.subarray(at))]);

      const bundle = await unpack(bench, bytes);

      assert.equal(bundle.version, '4.1.0');
      assert.equal(bundle.listing.get('bin/x')?.sizeBytes, 5000);
    }
  });

  for (const [title, more] of [
    ['garbage', Buffer.from('garbage')],
    ['zeros', Buffer.alloc(3)],
    ['zeros and then garbage', Buffer.concat([Buffer.alloc(2 << 20), Buffer.from('x')])],
    ['half a header', Buffer.from('1f8b08', 'hex')],
  ] as const) {
    it(`is refused with ${title} behind it`, async () => {
      const outcome = unpack(bench, Buffer.concat([gzipSync(whole), more]));

      await assert.rejects(outcome, { code: 'bundle-damaged' });
    });
  }
});

describe('a folder that changes while it is read', () => {
  let bench: Bench;
  let path: string;
  beforeEach(() => {
    bench = makeBench();
    mkdirSync(join(bench.root, 'source/opt/kata/share/defaults/kata-containers'), { recursive: true });
    path = join(bench.root, 'source/opt/kata/big');
    writeFileSync(path, Buffer.alloc(100, 1));
  });
  afterEach(() => bench.remove());

  const swaps: [string, () => void][] = [
    ['a link to /dev/zero', () => symlinkSync('/dev/zero', path)],
    ['a pipe', () => execFileSync('mkfifo', [path])],
    ['a file without an end', () => writeFileSync(path, Buffer.alloc(5 << 20))],
  ];
  if (process.getuid?.() === 0) swaps.push(['/dev/zero itself', () => execFileSync('mknod', [path, 'c', '1', '5'])]);
  for (const [title, swap] of swaps) {
    it(`is refused at once: ${title} in the place of a file`, async () => {
      const keep = (name: string): boolean => {
        if (name === 'big') {
          rmSync(path);
          swap();
        }
        return true;
      };

      const outcome = readBundles({ sources: [join(bench.root, 'source')], into: bench.into, keep, emit: () => undefined });

      await assert.rejects(outcome, { code: 'bundle-damaged' });
    });
  }

  it('and a file that grows', async () => {
    let grown = 0;
    const emit = (): void => {
      grown += 1;
    };
    const keep = (name: string): boolean => {
      if (name === 'big') appendFileSync(path, 'more');
      return true;
    };

    const outcome = readBundles({ sources: [join(bench.root, 'source')], into: bench.into, keep, emit });

    await assert.rejects(outcome, { code: 'bundle-damaged' });
    assert.equal(grown, 0);
  });
});

describe('archives of different releases', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  const first = [file(k('VERSION'), '4.0.0\n'), file(k('share/a'), 'old')];
  const rows: [string, TarMember[]][] = [
    ['another file comes before VERSION', [file(k('share/a'), 'new'), file(k('VERSION'), '4.1.0\n')]],
    ['only VERSION differs, in its length too', [file(k('VERSION'), '4.1.0-rc0\n')]],
    ['only VERSION differs', [file(k('VERSION'), '4.1.0\n')]],
  ];
  for (const [title, second] of rows) {
    for (const kept of [true, false]) {
      it(`are named as that, each with its version, where ${title} (${kept ? 'kept' : 'skipped'})`, async () => {
        const [one, two] = [join(bench.root, 'one.tar'), join(bench.root, 'two.tar.gz')];
        writeFileSync(one, makeTar(first));
        writeFileSync(two, gzipSync(makeTar(second)));

        const outcome = readBundles({ sources: [one, two], into: bench.into, keep: () => kept, emit: () => undefined });

        await assert.rejects(outcome, (error: KataError) => {
          assert.equal(error.code, 'bundle-mixed');
          assert.match(error.complaint.found, /one\.tar is Kata 4\.0\.0, two\.tar\.gz is Kata 4\.1\.0/);
          return true;
        });
      });
    }
  }

  it('but one release with two contents of a file is told as a duplicate', async () => {
    const [one, two] = [join(bench.root, 'one.tar'), join(bench.root, 'two.tar')];
    writeFileSync(one, makeTar(first));
    writeFileSync(two, makeTar([first[0]!, file(k('share/a'), 'new')]));

    const outcome = readBundles({ sources: [one, two], into: bench.into, keep: () => true, emit: () => undefined });

    await assert.rejects(outcome, { code: 'bundle-member-duplicate' });
  });
});

describe('the free room while a bundle is unpacked', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());
  const mega = 1 << 20;
  const zeros = Array.from({ length: 6 }, (_, at) => file(k(`share/zeros${at}`), Buffer.alloc(8 * mega)));
  const links = Array.from({ length: 5 }, (_, at) => ({ ...symlink(k(`share/link${at}`), k('share/zeros0')), type: '1' }));

  for (const [what, members, wanted] of [
    ['zeros that compress to nothing', zeros, 48],
    ['hard links, whose headers have no size', [zeros[0]!, ...links], 48],
  ] as const)
    it(`is asked for again and again: ${what}`, async () => {
      const asked: number[] = [];
      const haveRoom = async (bytes: number) => void asked.push(bytes);
      await unpack(bench, gzipSync(makeTar([...release, ...members])), { haveRoom });

      assert.ok(asked.length >= wanted / 16 - 1 && asked.every((bytes) => bytes > 0), asked.join());
    });

  it('what asks may refuse, and nothing is written any more', async () => {
    let written = 0;
    const haveRoom = async () => {
      written = pathsBelow(bench.into).length;
      throw new KataError('host-space', { subject: '/', found: 'full', needed: 'room', next: 'df' });
    };

    await assert.rejects(unpack(bench, gzipSync(makeTar([...release, zeros[0]!, ...links])), { haveRoom }), { code: 'host-space' });

    assert.equal(pathsBelow(bench.into).length, written);
  });
});

describe('an interrupt while a bundle is read', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  const large = makeTar([...release, file(k('share/zeros'), Buffer.alloc(64 << 20))]);
  for (const format of ['tar', 'gzip', 'zstd', 'xz'] as const) {
    it(`is told as that, and not as a damaged archive (${format})`, async function () {
      if ((format === 'zstd' || format === 'xz') && !has(format)) {
        console.log(`      there is no ${format}`);
        return this.skip();
      }
      const stop = new AbortController();
      const bytes = format === 'tar' ? large : compress(format, large);
      const keep = (path: string): boolean => {
        if (path === 'share/zeros') stop.abort();
        return true;
      };

      const outcome = unpack(bench, bytes, { keep, signal: stop.signal });

      await assert.rejects(outcome, (error: KataError) => error instanceof KataError && error.code === 'interrupted');
      await assert.rejects(digestOfSource(join(bench.root, 'release.tar'), { signal: stop.signal }), { code: 'interrupted' });
    });
  }
});
