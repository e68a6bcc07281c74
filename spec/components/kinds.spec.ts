import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type ComponentKind, componentKinds, type Runner, requireKind } from '../../cli/components/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { bzImage, diskImage, elfKernel, gzipInitrd } from '../support/components.ts';

const qemu: Runner = { handler: 'kata-qemu', hypervisor: 'qemu', architecture: 'x86_64' };

function of(bytes: Buffer, sizeBytes = bytes.length) {
  return { name: 'file', sizeBytes, readAt: (offset: number, length: number) => bytes.subarray(offset, offset + length) };
}

function arm(): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write('ARM\x64', 56);
  return bytes;
}

function s390(): Buffer {
  const bytes = Buffer.alloc(0x10_100);
  bytes.write('S390EP', 0x10_008);
  return bytes;
}

function elfFor(machine: number): Buffer {
  const bytes = elfKernel();
  bytes.writeUInt16LE(machine, 18);
  return bytes;
}

describe('the kind of a component by its bytes', () => {
  const fitting: [what: string, kind: ComponentKind, bytes: Buffer, runner?: Partial<Runner>, fileSystem?: string][] = [
    ['an ELF kernel', 'kernel', elfKernel()],
    ['a bzImage', 'kernel', bzImage()],
    ['a bzImage for Cloud Hypervisor', 'kernel', bzImage(), { hypervisor: 'clh' }],
    ['an ELF kernel for Firecracker', 'kernel', elfKernel(), { hypervisor: 'firecracker' }],
    ['an Image of arm64', 'kernel', arm(), { architecture: 'aarch64' }],
    ['an ELF kernel of ppc64le', 'kernel', elfFor(21), { architecture: 'ppc64le' }],
    ['a kernel of s390x', 'kernel', s390(), { architecture: 's390x' }],
    ['a gzip initrd', 'initrd', gzipInitrd()],
    ['a plain cpio', 'initrd', Buffer.concat([Buffer.from('070701'), Buffer.alloc(500)])],
    ['a zstd initrd', 'initrd', Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(500)])],
    ['an image with ext4', 'image', diskImage('ext4'), {}, 'ext4'],
    ['an image with xfs', 'image', diskImage('xfs'), {}, 'xfs'],
    ['an image with erofs', 'image', diskImage('erofs'), {}, 'erofs'],
    ['a firmware for QEMU', 'firmware', Buffer.alloc(131_072)],
    ['a firmware for Cloud Hypervisor', 'firmware', Buffer.alloc(1000), { hypervisor: 'clh' }],
  ];
  for (const [what, kind, bytes, runner = {}, fileSystem] of fitting)
    it(`${what} is taken`, async () => {
      const checked = await requireKind(kind, of(bytes), { ...qemu, ...runner });

      assert.equal(checked.fileSystem, fileSystem);
    });

  const wrong: [what: string, kind: ComponentKind, bytes: Buffer, says: RegExp, runner?: Partial<Runner>][] = [
    ['an empty file', 'kernel', Buffer.alloc(0), /is empty/],
    ['a text', 'kernel', Buffer.from('#!/bin/sh\n'), /another format/],
    ['a kernel for another machine', 'kernel', elfFor(183), /ELF file for aarch64/],
    ['a bzImage for Firecracker', 'kernel', bzImage(), /a bzImage of x86/, { hypervisor: 'firecracker' }],
    ['a bzImage for arm64', 'kernel', bzImage(), /a bzImage of x86/, { architecture: 'aarch64' }],
    ['an initrd as a kernel', 'kernel', gzipInitrd(), /in the format gzip/],
    ['a kernel as an initrd', 'initrd', elfKernel(), /ELF file for x86_64/],
    ['an empty gzip stream', 'initrd', Buffer.from('1f8b0800000000000003030000000000000000000000', 'hex'), /22 bytes in the format gzip/],
    ['a qcow2 image', 'image', Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(508)]), /qcow2/],
    ['an image of half a sector more', 'image', diskImage('ext4', { sizeBytes: 2056 * 512 + 256 }), /without such a partition/],
    ['a partition that reaches beyond the file', 'image', diskImage('ext4', { sectors: 9 }), /without such a partition/],
    ['a partition of 2^32 sectors', 'image', diskImage('ext4', { sectors: 0xffff_ffff }), /without such a partition/],
    ['an empty partition', 'image', diskImage('ext4', { sectors: 0 }), /without such a partition/],
    ['a firmware of an odd size for QEMU', 'firmware', Buffer.alloc(65_537), /65537 bytes/],
  ];
  for (const [what, kind, bytes, says, runner = {}] of wrong)
    it(`${what} is refused, with what it is and what is needed`, async () => {
      await assert.rejects(requireKind(kind, of(bytes), { ...qemu, ...runner }), (error) => {
        assert.ok(error instanceof KataError && error.code === 'component-unfit', String(error));
        assert.match(error.complaint.found, says);
        assert.ok(error.complaint.needed.length > 0 && error.complaint.next !== undefined);
        return true;
      });
    });

  it('a file that is larger than its kind can be is refused before a byte of it is read', async () => {
    const huge = { name: 'file', sizeBytes: 2 ** 50, readAt: () => assert.fail('it was read') };

    for (const kind of componentKinds)
      await assert.rejects(
        requireKind(kind, huge, qemu),
        (error) => error instanceof KataError && /has \d+ bytes/.test(error.complaint.found),
      );
  });

  it('any bytes are taken or refused, for any kind, hypervisor and architecture', async () => {
    const word = fc.constantFrom('qemu', 'clh', 'firecracker', 'dragonball', 'remote', '__proto__', 'constructor', 'x86_64', 's390x');
    const seeds = [elfKernel(), bzImage(), gzipInitrd(), diskImage('ext4'), s390()];
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(4096), fc.nat(255)), { maxLength: 8 }), fc.nat(8192))
      .map(([seed, edits, length]) => {
        const bytes = Buffer.from(seed.subarray(0, Math.max(length, 1)));
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        return bytes;
      });

    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...componentKinds),
        fc.oneof(mutated, fc.uint8Array().map(Buffer.from)),
        word,
        word,
        async (kind, bytes, hypervisor, architecture) => {
          const answer = await requireKind(kind, of(bytes), { handler: 'kata-x', hypervisor, architecture }).catch(
            (error: unknown) => error,
          );

          assert.ok(!(answer instanceof Error) || (answer instanceof KataError && answer.code === 'component-unfit'), String(answer));
        },
      ),
      { numRuns: 300 },
    );
  });
});
