import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBundles } from '../../cli/bundle/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { file, folder, makeTar, symlink, type TarMember } from '../support/archives/tar.ts';
import { needs } from '../support/needs.ts';
import { type Bench, compress, makeBench, unpack } from './unpack.ts';

const k = (path: string): string => `./opt/kata/${path}`;
const release: TarMember[] = [folder('./'), folder('./opt/'), folder('./opt/kata/'), file(k('VERSION'), '4.1.0\n')];
const emptyGzip = Buffer.from('1f8b08000000000000030300000000000000 0000'.replace(' ', ''), 'hex');

const cases: { title: string; code: string; members: TarMember[] }[] = [
  { title: 'an absolute name', code: 'bundle-member-escapes', members: [file('/opt/kata/bin/x')] },
  { title: 'a .. in a name', code: 'bundle-member-escapes', members: [file('./opt/kata/../../../etc/cron.d/x')] },
  { title: 'a .. that stays inside', code: 'bundle-member-escapes', members: [file(k('bin/../x'))] },
  { title: 'a .. in a pax name', code: 'bundle-member-escapes', members: [{ name: 'x', pax: { path: './opt/kata/../../x' } }] },
  { title: 'an absolute GNU long name', code: 'bundle-member-escapes', members: [{ name: `/${'a/'.repeat(80)}x`, long: 'gnu' }] },
  { title: 'a link to an absolute path', code: 'bundle-member-escapes', members: [symlink(k('bin/x'), '/etc/passwd')] },
  { title: 'a link beside the prefix', code: 'bundle-member-escapes', members: [symlink(k('bin/x'), '/opt/kata-evil/x')] },
  { title: 'an absolute link with ..', code: 'bundle-member-escapes', members: [symlink(k('bin/x'), '/opt/kata/../../etc')] },
  { title: 'a relative link out', code: 'bundle-member-escapes', members: [symlink(k('bin/x'), '../../etc')] },
  { title: 'a relative link out and in again', code: 'bundle-member-escapes', members: [symlink(k('bin/x'), '../../../opt/kata/bin/y')] },
  {
    title: 'a link that leads out through another link',
    code: 'bundle-member-escapes',
    members: [folder(k('a/b/c')), symlink(k('a/b/c/up'), '../../..'), symlink(k('x'), 'a/b/c/up/../../etc')],
  },
  { title: 'a member through a link', code: 'bundle-member-escapes', members: [symlink(k('bin'), 'libexec'), file(k('bin/x'))] },
  { title: 'a folder through a link', code: 'bundle-member-escapes', members: [symlink(k('d'), 'e'), folder(k('d/f'))] },
  { title: 'a link over a folder in use', code: 'bundle-member-duplicate', members: [file(k('bin/x')), symlink(k('bin'), 'libexec')] },
  { title: 'a hard link out', code: 'bundle-member-escapes', members: [{ name: k('x'), type: '1', linkName: '../../etc/shadow' }] },
  { title: 'an absolute hard link', code: 'bundle-member-escapes', members: [{ name: k('x'), type: '1', linkName: '/etc/shadow' }] },
  { title: 'a hard link forward', code: 'bundle-member-escapes', members: [{ name: k('x'), type: '1', linkName: k('y') }, file(k('y'))] },
  {
    title: 'a hard link to a link',
    code: 'bundle-member-escapes',
    members: [symlink(k('y'), 'z'), { name: k('x'), type: '1', linkName: k('y') }],
  },
  { title: 'a character device', code: 'bundle-member-kind', members: [{ name: k('x'), type: '3' }] },
  { title: 'a block device', code: 'bundle-member-kind', members: [{ name: k('x'), type: '4' }] },
  { title: 'a pipe', code: 'bundle-member-kind', members: [{ name: k('x'), type: '6' }] },
  { title: 'an unknown type', code: 'bundle-member-kind', members: [{ name: k('x'), type: 'V' }] },
  { title: 'a sparse file of GNU tar', code: 'bundle-member-kind', members: [{ name: k('x'), type: 'S' }] },
  { title: 'a sparse file in pax', code: 'bundle-member-kind', members: [{ name: k('x'), pax: { 'GNU.sparse.major': '1' } }] },
  { title: 'a set-uid file', code: 'bundle-member-kind', members: [file(k('bin/x'), 'x', 0o4755)] },
  { title: 'a set-gid file', code: 'bundle-member-kind', members: [file(k('bin/x'), 'x', 0o2755)] },
  { title: 'a set-gid folder', code: 'bundle-member-kind', members: [{ name: k('d'), type: '5', mode: 0o2755 }] },
  { title: 'the same path twice', code: 'bundle-member-duplicate', members: [file(k('x'), 'a'), file(k('x'), 'a')] },
  { title: 'the same path by another spelling', code: 'bundle-member-duplicate', members: [file(k('x'), 'a'), file('opt/./kata//x', 'a')] },
  { title: 'a file that is also a folder', code: 'bundle-member-duplicate', members: [file(k('x')), file(k('x/y'))] },
  { title: 'a member outside opt/kata', code: 'bundle-layout', members: [file('./etc/cron.d/x')] },
  { title: 'a folder outside opt/kata', code: 'bundle-layout', members: [folder('./usr/')] },
  { title: 'opt as a link', code: 'bundle-layout', members: [symlink('./opt', 'x')] },
  { title: 'opt/kata as a link', code: 'bundle-layout', members: [symlink('./opt/kata', 'x')] },
  { title: 'a newline in a name', code: 'bundle-layout', members: [file(k('a\nb'))] },
  { title: 'an escape character in a name', code: 'bundle-layout', members: [file(k('a\u001b[2Jb'))] },
  { title: 'a NUL in a pax name', code: 'bundle-layout', members: [{ name: 'x', pax: { path: './opt/kata/a\0b' } }] },
  { title: 'a newline in a target', code: 'bundle-layout', members: [symlink(k('a'), 'b\nc')] },
  { title: 'an empty target', code: 'bundle-layout', members: [symlink(k('a'), '')] },
  { title: 'a name that is not UTF-8', code: 'bundle-layout', members: [{ name: Buffer.from('./opt/kata/\xff', 'latin1') }] },
  { title: 'a name beyond 4096 bytes', code: 'bundle-layout', members: [{ name: k('a/'.repeat(2100)), long: 'gnu' }] },
  { title: 'a segment beyond 255 bytes', code: 'bundle-layout', members: [{ name: k('a'.repeat(256)), long: 'pax' }] },
  { title: 'a hundred folders in each other', code: 'bundle-layout', members: [{ name: k('a/'.repeat(100)), long: 'pax' }] },
  { title: 'an empty kernel', code: 'bundle-empty-asset', members: [file(k('share/kata-containers/vmlinux-6.18.35-202'), '')] },
  { title: 'an empty image', code: 'bundle-empty-asset', members: [file(k('share/kata-containers/kata-ubuntu-resolute.image'), '')] },
  { title: 'an initrd of an empty gzip', code: 'bundle-empty-asset', members: [file(k('share/kata-containers/kata.initrd'), emptyGzip)] },
  { title: 'an empty program', code: 'bundle-empty-asset', members: [file(k('bin/qemu-system-x86_64'), '')] },
  { title: 'an empty Rust shim', code: 'bundle-empty-asset', members: [file(k('runtime-rs/bin/containerd-shim-kata-v2'), '')] },
  { title: 'an empty virtiofsd', code: 'bundle-empty-asset', members: [file(k('libexec/virtiofsd'), '')] },
  { title: 'a version of 5 KB', code: 'bundle-layout', members: [file(k('VERSION'), 'x'.repeat(5000))] },
  { title: 'a wrong checksum', code: 'bundle-damaged', members: [{ ...file(k('x')), badChecksum: true }] },
  { title: 'a size beyond the end', code: 'bundle-damaged', members: [{ ...file(k('x')), size: 1_000_000 }] },
  { title: 'a size of 2^60', code: 'bundle-damaged', members: [{ ...file(k('x')), size: 2 ** 60, base256: true }] },
  { title: 'a folder with content', code: 'bundle-damaged', members: [{ ...folder(k('d')), content: 'x' }] },
  { title: 'a link with content', code: 'bundle-damaged', members: [{ ...symlink(k('d'), 'x'), content: 'x' }] },
  {
    title: 'a long name of 2 MB',
    code: 'bundle-damaged',
    members: [{ name: 'x'.repeat(2 << 20), type: 'L', content: 'x'.repeat(2 << 20) }],
  },
  {
    title: 'a malformed pax header',
    code: 'bundle-damaged',
    members: [{ name: 'x', type: 'x', content: '99 path=./opt/kata/x\n' }, file(k('x'))],
  },
  {
    title: 'two pax headers in a row',
    code: 'bundle-damaged',
    members: [{ name: 'x', type: 'x', content: '9 a=bcde\n' }, { name: 'x', type: 'x', content: '9 a=bcde\n' }, file(k('y'))],
  },
  { title: 'a pax header without a member', code: 'bundle-damaged', members: [{ name: 'x', type: 'x', content: '9 a=bcde\n' }] },
];

describe('an archive is rejected', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  for (const { title, code, members } of cases) {
    for (const kept of [true, false]) {
      it(`for ${title} (${kept ? 'kept' : 'skipped'})`, async () => {
        const archive = [...release.filter((one) => !members.some((member) => member.name === one.name)), ...members];

        const outcome = unpack(bench, archive, { keep: () => kept });

        await assert.rejects(outcome, withCode(code));
        assert.deepEqual(readdirSync(bench.root).sort(), ['into', 'release.tar']);
      });
    }
  }

  const whole = makeTar([...release, file(k('bin/x'), Buffer.alloc(5000, 1))]);
  for (const [title, length] of [
    ['in a header', 700],
    ['between members', 512 * 5],
    ['inside a member', whole.length - 3000],
    ['before the end is marked', whole.length - 1024],
    ['inside the mark', whole.length - 512],
  ] as const) {
    it(`when it ends ${title}`, async () => {
      const outcome = unpack(bench, whole.subarray(0, length));

      await assert.rejects(outcome, withCode('bundle-damaged'));
    });
  }

  it('when something follows its end', async () => {
    const outcome = unpack(bench, Buffer.concat([whole, Buffer.from('more')]));

    await assert.rejects(outcome, withCode('bundle-damaged'));
  });

  for (const program of ['zstd', 'xz', 'gzip'] as const) {
    it(`when ${program} cannot read it to its end`, async function () {
      needs(this, program);
      const bytes = compress(program, whole);

      for (const broken of [
        bytes.subarray(0, bytes.length - 9),
        flip(bytes, bytes.length >> 1),
        Buffer.concat([bytes, Buffer.from('garbage')]),
      ]) {
        await assert.rejects(unpack({ ...bench, into: fresh(bench) }, broken), withCode('bundle-damaged'));
      }
    });
  }

  for (const [title, bytes] of [
    ['an empty file', ''],
    ['a login page', '<!doctype html><title>Sign in</title>'.repeat(50)],
    ['a bzip2', Buffer.from('425a683931415926535900000000', 'hex')],
  ] as const) {
    it(`when it is ${title}`, async () => {
      const outcome = unpack(bench, Buffer.from(bytes));

      await assert.rejects(outcome, withCode('bundle-format'));
    });
  }

  it('when nothing is below opt/kata', async () => {
    const outcome = unpack(bench, [folder('./'), folder('./opt/')]);

    await assert.rejects(outcome, withCode('bundle-layout'));
  });

  it('when it is not there', async () => {
    const outcome = readBundles({ sources: [join(bench.root, 'none.tar.zst')], into: bench.into, keep: () => true, emit: () => undefined });

    await assert.rejects(outcome, withCode('bundle-missing'));
  });

  it('when its digest is not the wanted one, naming both, even if it is damaged as well', async () => {
    const wanted = `sha256:${'0'.repeat(64)}` as const;

    for (const archive of [whole, whole.subarray(0, 3000)]) {
      const outcome = unpack({ ...bench, into: fresh(bench) }, archive, { digests: [wanted] });
      await assert.rejects(outcome, (error) => {
        assert.ok(withCode('bundle-digest')(error));
        assert.match(error.complaint.found, /sha256:[0-9a-f]{64}/);
        assert.ok(error.complaint.needed.includes(wanted));
        return true;
      });
    }
  });

  it('when the caller gives up', async () => {
    const outcome = unpack(bench, whole, { signal: AbortSignal.abort() });

    await assert.rejects(outcome, withCode('interrupted'));
  });

  it('and its hostile names are shown without their control characters', async () => {
    const outcome = unpack(bench, [...release, file(k('a\u001b]0;x\u0007b'))]);

    await assert.rejects(outcome, (error: KataError) => !/\p{Cc}/u.test(error.complaint.found));
  });
});

describe('a folder is rejected', () => {
  let bench: Bench;
  let source: string;
  beforeEach(() => {
    bench = makeBench();
    source = join(bench.root, 'release');
    mkdirSync(join(source, 'opt/kata/share/defaults/kata-containers'), { recursive: true });
  });
  afterEach(() => bench.remove());
  const read = () => readBundles({ sources: [source], into: bench.into, keep: () => true, emit: () => undefined });

  it('for a link that leads out', async () => {
    symlinkSync('/etc/passwd', join(source, 'opt/kata/x'));

    await assert.rejects(read(), withCode('bundle-member-escapes'));
  });

  it('for an empty kernel', async () => {
    mkdirSync(join(source, 'opt/kata/share/kata-containers'));
    writeFileSync(join(source, 'opt/kata/share/kata-containers/vmlinux.container'), '');

    await assert.rejects(read(), withCode('bundle-empty-asset'));
  });

  it('for a set-uid file', async () => {
    writeFileSync(join(source, 'opt/kata/x'), 'x');
    const { chmodSync } = await import('node:fs');
    chmodSync(join(source, 'opt/kata/x'), 0o4755);

    await assert.rejects(read(), withCode('bundle-member-kind'));
  });

  it('when it is no release', async () => {
    source = bench.into;

    await assert.rejects(read(), withCode('bundle-layout'));
  });

  it('without following a link in place of opt/kata', async () => {
    source = join(bench.root, 'other');
    mkdirSync(join(source, 'opt'), { recursive: true });
    symlinkSync('/etc', join(source, 'opt/kata'));

    await assert.rejects(read(), withCode('bundle-layout'));
    assert.deepEqual(readdirSync(bench.into), []);
  });
});

function withCode(code: string): (error: unknown) => error is KataError {
  return (error): error is KataError => {
    if (!(error instanceof KataError)) throw error;
    assert.equal(error.code, code, error.message);
    assert.ok(error.exitCode === 4 || code === 'interrupted');
    assert.ok(error.complaint.needed.length > 0 && error.complaint.next.length > 0);
    return true;
  };
}

let folders = 0;

function fresh(bench: Bench): string {
  const path = join(bench.root, `into${folders++}`);
  if (!existsSync(path)) mkdirSync(path);
  return path;
}

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0x10;
  return copy;
}
