/** One header block of a tar archive, unchecked. Names are bytes: only the reader knows whether another header overrides them. */
export interface Header {
  name: Buffer;
  linkName: Buffer;
  mode: number;
  sizeBytes: number;
  /** '0' file, '1' hard link, '2' symlink, '5' directory, 'x' and 'g' pax, 'L' and 'K' GNU long names, ... */
  type: string;
}

export const blockBytes = 512;

const checksumAt = 148;
const checksumEnd = 156;

/** undefined for a field that is no number or a header whose checksum is wrong. */
export function parseHeader(block: Buffer): Header | undefined {
  if (!checksumFits(block)) return undefined;
  const mode = number(block.subarray(100, 108));
  const sizeBytes = number(block.subarray(124, 136));
  if (mode === undefined || sizeBytes === undefined) return undefined;
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]!);
  return { name: nameOf(block), linkName: text(block.subarray(157, 257)), mode, sizeBytes, type };
}

/** True when the sum in the header is the sum of its bytes. */
export function checksumFits(block: Buffer): boolean {
  let sum = 0;
  for (let at = 0; at < blockBytes; at++) sum += at >= checksumAt && at < checksumEnd ? 0x20 : block[at]!;
  return sum === number(block.subarray(checksumAt, checksumEnd)) && sum !== 8 * 0x20;
}

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

// Only POSIX headers ('ustar', NUL, '00') have a prefix; GNU's own ('ustar', two spaces) keep times in its place.
function nameOf(block: Buffer): Buffer {
  const name = text(block.subarray(0, 100));
  if (block.toString('latin1', 257, 263) !== 'ustar\0') return name;
  const prefix = text(block.subarray(345, 500));
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

function text(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

/** Octal digits, or GNU's base-256 for what does not fit; undefined for anything else, negative numbers and those beyond 2^53. */
function number(field: Buffer): number | undefined {
  if (field[0]! & 0x80) return base256(field);
  const digits = field
    .toString('latin1')
    .replace(/^ +/, '')
    .replace(/[\0 ].*$/s, '');
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function base256(field: Buffer): number | undefined {
  if (field[0]! & 0x40) return undefined;
  let value = field[0]! & 0x3f;
  for (const byte of field.subarray(1)) {
    value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return value;
}
