import { machineOf, type ReadAt } from '../bundle/elf.ts';
import { KataError } from '../errors/index.ts';
import type { ComponentKind } from './types.ts';

/** A file of the user, as far as it has been copied: nothing else of it is trusted. */
export interface Candidate {
  /** As it is shown. */
  name: string;
  sizeBytes: number;
  readAt: ReadAt;
}

/** Who runs it: the base's hypervisor table, and the architecture as `uname -m` says it. */
export interface Runner {
  handler: string;
  hypervisor: string;
  architecture: string;
}

/** What its bytes say beyond their kind: the file system of an image. */
export interface Checked {
  fileSystem?: string;
}

interface KindRow {
  maxBytes: number;
  /** In words, for messages. */
  needed(runner: Runner): string;
  check(file: Candidate, runner: Runner): Promise<Checked | undefined>;
}

const mebibyte = 1 << 20;

/** Sizes are bounds against mistakes, far above what Kata itself ships. */
const kindTable: Record<ComponentKind, KindRow> = {
  kernel: {
    maxBytes: 1024 * mebibyte,
    needed: (runner) =>
      `a kernel for ${runner.architecture}: ${
        kernelsOf(runner)
          .map((name) => kernelWords[name])
          .join(', or ') || 'none'
      }`,
    check: async (file, runner) => {
      const format = await kernelFormat(file, runner.architecture);
      return format !== undefined && kernelsOf(runner).includes(format) ? {} : undefined;
    },
  },
  initrd: {
    maxBytes: 4096 * mebibyte,
    needed: () => 'an initrd: a cpio archive, plain or compressed with gzip, zstd, xz or lz4',
    // An empty gzip stream has 20 bytes; Kata once released such an initrd (docs/facts/kata.md#guest-files).
    check: async (file) => (file.sizeBytes >= 128 && startsWithOne(await file.readAt(0, 6), Object.values(initrdMagics)) ? {} : undefined),
  },
  image: {
    maxBytes: 16_384 * mebibyte,
    needed: () => 'a raw disk image whose first MBR partition is ext4, xfs or erofs, as Kata’s image builder makes it',
    check: async (file) => {
      const fileSystem = file.sizeBytes % sectorBytes === 0 ? await fileSystemIn(file) : undefined;
      return fileSystem === undefined ? undefined : { fileSystem };
    },
  },
  firmware: {
    maxBytes: 64 * mebibyte,
    needed: ({ hypervisor, architecture }) =>
      padsFirmware(hypervisor, architecture) ? 'a firmware of whole 64 KiB blocks, as QEMU needs it' : 'a firmware with bytes in it',
    check: async ({ sizeBytes }, { hypervisor, architecture }) =>
      sizeBytes > 0 && (!padsFirmware(hypervisor, architecture) || sizeBytes % biosBlockBytes === 0) ? {} : undefined,
  },
};

/** QEMU's pc and q35 machines refuse another size (hw/i386/x86-common.c). */
const biosBlockBytes = 65_536;

function padsFirmware(hypervisor: string, architecture: string): boolean {
  return hypervisor === 'qemu' && architecture === 'x86_64';
}

/** The size is known before the file is copied, and bounded. Throws `component-unfit`. */
export function requireSize(kind: ComponentKind, { name, sizeBytes }: Pick<Candidate, 'name' | 'sizeBytes'>): void {
  const { maxBytes } = kindTable[kind];
  if (sizeBytes > 0 && sizeBytes <= maxBytes) return;
  throw unfit(kind, name, sizeBytes === 0 ? 'is empty' : `has ${sizeBytes} bytes`, `a file of 1 to ${maxBytes} bytes`);
}

/** Throws `component-unfit` for a file that is of another kind than its name says, or that this hypervisor does not take. */
export async function requireKind(kind: ComponentKind, file: Candidate, runner: Runner): Promise<Checked> {
  requireSize(kind, file);
  const row = kindTable[kind];
  const checked = await row.check(file, runner);
  if (checked !== undefined) return checked;
  throw unfit(
    kind,
    file.name,
    `is ${await lookOf(file)}`,
    `${row.needed(runner)}, for the hypervisor ${runner.hypervisor} of ${runner.handler}`,
  );
}

export function unfit(kind: ComponentKind, name: string, what: string, needed: string, next?: string): KataError {
  return new KataError('component-unfit', {
    subject: name,
    found: `${name} ${what}`,
    needed,
    next: next ?? `name a ${kind} that fits: --component ${kind}=FILE`,
  });
}

type KernelFormat = 'elf' | 'bzImage' | 'image' | 's390';

const kernelWords: Record<KernelFormat, string> = {
  elf: 'an ELF vmlinux',
  bzImage: 'a bzImage (vmlinuz)',
  image: 'an uncompressed Image',
  s390: 'a bzImage of s390x',
};

/** What each architecture boots, and hypervisors that take less. Firecracker takes an uncompressed ELF file there (its page on kernel policy). */
const kernelFormats: Record<string, { all: KernelFormat[]; only?: Record<string, KernelFormat[]> }> = {
  x86_64: { all: ['elf', 'bzImage'], only: { firecracker: ['elf'] } },
  aarch64: { all: ['image'] },
  s390x: { all: ['elf', 's390'] },
  ppc64le: { all: ['elf'] },
};

function kernelsOf({ hypervisor, architecture }: Runner): KernelFormat[] {
  const row = Object.hasOwn(kernelFormats, architecture) ? kernelFormats[architecture]! : { all: [] };
  return row.only !== undefined && Object.hasOwn(row.only, hypervisor) ? row.only[hypervisor]! : row.all;
}

/** Linux, Documentation/arch/x86/boot.rst and arch/arm64/booting.rst; S390EP is at the entry of arch/s390/boot/head.S. */
async function kernelFormat({ readAt }: Candidate, architecture: string): Promise<KernelFormat | undefined> {
  const head = await readAt(0, 1024);
  const machine = machineOf(head);
  if (machine !== undefined) return machine === architecture ? 'elf' : undefined;
  if (architecture === 'x86_64') return isBzImage(head) ? 'bzImage' : undefined;
  if (architecture === 'aarch64') return head.subarray(56, 60).equals(Buffer.from('ARM\x64')) ? 'image' : undefined;
  if (architecture === 's390x') return (await readAt(0x10_008, 6)).toString('latin1') === 'S390EP' ? 's390' : undefined;
  return undefined;
}

function isBzImage(head: Buffer): boolean {
  return head.length >= 0x206 && head.readUInt16LE(0x1fe) === 0xaa55 && head.toString('latin1', 0x202, 0x206) === 'HdrS';
}

const initrdMagics = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  lz4: [0x02, 0x21, 0x4c, 0x18],
  cpio: [...Buffer.from('070701')],
  'cpio with checksums': [...Buffer.from('070702')],
};

function startsWithOne(head: Buffer, magics: number[][]): boolean {
  return magics.some((magic) => head.subarray(0, magic.length).equals(Buffer.from(magic)));
}

const sectorBytes = 512;
const partitionTableAt = 446;

/** The file system in the first partition of the MBR: /dev/pmem0p1 or /dev/vda1 is the guest's root (docs/facts/kata.md#guest-files). */
async function fileSystemIn({ readAt, sizeBytes }: Candidate): Promise<string | undefined> {
  const mbr = await readAt(0, sectorBytes);
  if (mbr.length < sectorBytes || mbr.readUInt16LE(510) !== 0xaa55) return undefined;
  const [start, sectors] = [mbr.readUInt32LE(partitionTableAt + 8), mbr.readUInt32LE(partitionTableAt + 12)];
  const end = (start + sectors) * sectorBytes;
  if (start === 0 || sectors === 0 || end > sizeBytes) return undefined;
  const head = await readAt(start * sectorBytes, 2048);
  if (head.length < 2048) return undefined;
  if (head.toString('latin1', 0, 4) === 'XFSB') return 'xfs';
  if (head.readUInt32LE(1024) === 0xe0f5e1e2) return 'erofs';
  return head.readUInt16LE(1024 + 56) === 0xef53 ? 'ext4' : undefined;
}

/** In words, what a file of the wrong kind seems to be. */
async function lookOf(file: Candidate): Promise<string> {
  const head = await file.readAt(0, 1024);
  const machine = machineOf(head);
  if (machine !== undefined) return `an ELF file for ${machine}`;
  if (isBzImage(head)) return 'a bzImage of x86';
  if (head.toString('latin1', 0, 4) === 'QFI\xfb') return 'a disk image in QEMU’s format qcow2';
  const [packed] = Object.entries(initrdMagics).find(([, magic]) => startsWithOne(head, [magic])) ?? [];
  if (packed !== undefined) return `a file of ${file.sizeBytes} bytes in the format ${packed}`;
  if (head.length >= sectorBytes && head.readUInt16LE(510) === 0xaa55)
    return `a disk image of ${file.sizeBytes} bytes without such a partition`;
  return `a file of ${file.sizeBytes} bytes of another format`;
}
