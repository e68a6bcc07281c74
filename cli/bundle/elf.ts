const machines: Record<number, string> = {
  62: 'x86_64',
  183: 'aarch64',
  22: 's390x',
  21: 'ppc64le',
  243: 'riscv64',
  3: 'i686',
  40: 'armv7l',
};

const magic = 0x7f454c46;

/** What machine an ELF file is for, as `uname -m` says it, by its first 20 bytes; undefined for other files. */
export function machineOf(head: Buffer): string | undefined {
  if (head.length < 20 || head.readUInt32BE(0) !== magic) return undefined;
  const machine = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
  return machines[machine] ?? `machine ${machine}`;
}

/** At most `length` bytes of a file from `offset` on; fewer where it ends. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer> | Buffer;

/** The System V ABI's words for what is looked at here; DF_1_PIE is GNU's and Solaris'. */
const [typeProgram, typeDynamic] = [2, 3];
const [segmentDynamic, segmentInterpreter] = [2, 3];
const [tagEnd, tagSoname, tagDebug, tagFlags] = [0, 14, 21, 0x6ffffffb];
const pie = 0x08000000;

/** A linker writes a few dozen segments and tags; a file with more of them is looked at only so far. */
const maxSegments = 256;
const maxDynamicBytes = 1 << 16;

/**
 * What an executable file is by its bytes: a program that the kernel starts (ELF, or a script with `#!`), a shared library, or neither
 * (undefined). A position-independent program has the same ELF type as a library: a static one has no interpreter either, so the dynamic
 * section decides. `name` decides for a file that says nothing of itself.
 */
export async function kindOf(readAt: ReadAt, name: string): Promise<'program' | 'library' | undefined> {
  const head = await readAt(0, 64);
  if (head.length >= 2 && head.toString('latin1', 0, 2) === '#!') return 'program';
  if (head.length < 52 || head.readUInt32BE(0) !== magic) return undefined;
  const words = wordsOf(head);
  if (words.wide && head.length < 64) return undefined;
  const type = words.half(head, 16);
  if (type === typeProgram) return 'program';
  if (type !== typeDynamic) return undefined;
  const segments = await segmentsOf(head, words, readAt);
  const dynamic = segments.find((segment) => segment.type === segmentDynamic);
  const tags = dynamic === undefined ? new Map<number, number>() : await tagsOf(dynamic, words, readAt);
  if (((tags.get(tagFlags) ?? 0) & pie) !== 0) return 'program';
  if (tags.has(tagSoname)) return 'library';
  if (tags.has(tagDebug) || segments.some((segment) => segment.type === segmentInterpreter)) return 'program';
  return /\.so(?:\.|$)/.test(name) ? 'library' : 'program';
}

/** How the file writes its numbers: by the class (32 or 64 bits) and the byte order in its head. */
interface Words {
  wide: boolean;
  half(from: Buffer, at: number): number;
  word(from: Buffer, at: number): number;
  /** A number as wide as an address. Beyond 2^53 it is inexact, and leads behind the end of any file. */
  address(from: Buffer, at: number): number;
}

function wordsOf(head: Buffer): Words {
  const [wide, big] = [head[4] === 2, head[5] === 2];
  const word = (from: Buffer, at: number) => (big ? from.readUInt32BE(at) : from.readUInt32LE(at));
  return {
    wide,
    half: (from, at) => (big ? from.readUInt16BE(at) : from.readUInt16LE(at)),
    word,
    address: (from, at) => (wide ? Number(big ? from.readBigUInt64BE(at) : from.readBigUInt64LE(at)) : word(from, at)),
  };
}

interface Segment {
  type: number;
  offset: number;
  bytes: number;
}

async function segmentsOf(head: Buffer, { wide, half, word, address }: Words, readAt: ReadAt): Promise<Segment[]> {
  const offset = address(head, wide ? 32 : 28);
  const [size, count] = [half(head, wide ? 54 : 42), half(head, wide ? 56 : 44)];
  // The kernel starts no file with other sizes either.
  if (size !== (wide ? 56 : 32)) return [];
  const table = await readFrom(readAt, offset, size * Math.min(count, maxSegments));
  return Array.from({ length: Math.floor(table.length / size) }, (_, index) => {
    const at = index * size;
    return { type: word(table, at), offset: address(table, at + (wide ? 8 : 4)), bytes: address(table, at + (wide ? 32 : 16)) };
  });
}

async function tagsOf({ offset, bytes }: Segment, { wide, address }: Words, readAt: ReadAt): Promise<Map<number, number>> {
  const table = await readFrom(readAt, offset, Math.min(bytes, maxDynamicBytes));
  const tags = new Map<number, number>();
  const size = wide ? 16 : 8;
  for (let at = 0; at + size <= table.length; at += size) {
    const tag = address(table, at);
    if (tag === tagEnd) break;
    tags.set(tag, address(table, at + size / 2));
  }
  return tags;
}

async function readFrom(readAt: ReadAt, offset: number, length: number): Promise<Buffer> {
  return Number.isSafeInteger(offset) ? await readAt(offset, length) : Buffer.alloc(0);
}
