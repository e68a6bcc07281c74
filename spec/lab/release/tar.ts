/** One member of an archive, as tar has it; modes without the file type. */
export type Member =
  | { path: string; kind: 'folder'; mode?: number }
  | { path: string; kind: 'file'; bytes: Buffer; mode?: number; owner?: number }
  | { path: string; kind: 'link' | 'hardlink'; target: string }
  | { path: string; kind: 'device'; major: number; minor: number };

const TYPES = { file: '0', hardlink: '1', link: '2', device: '3', folder: '5' } as const;
const MODES = { file: 0o644, hardlink: 0o644, link: 0o777, device: 0o666, folder: 0o755 } as const;
const BLOCK = 512;

/** The bytes of a tar archive of exactly these members in this order, owner 0:0 and time 0: also of members no tar program would write. */
export function tarOf(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  for (const member of members) {
    const bytes = member.kind === 'file' ? member.bytes : Buffer.alloc(0);
    parts.push(...longName(member.path, 'L'));
    if ('target' in member) parts.push(...longName(member.target, 'K'));
    parts.push(header(member, bytes.length), bytes, Buffer.alloc(padding(bytes.length)));
  }
  return Buffer.concat([...parts, Buffer.alloc(BLOCK * 2)]);
}

function header(member: Member, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const number = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  const owner = member.kind === 'file' ? (member.owner ?? 0) : 0;
  block.write(member.path.slice(0, 100), 0, 'utf8');
  number(('mode' in member ? member.mode : undefined) ?? MODES[member.kind], 100, 8);
  number(owner, 108, 8);
  number(owner, 116, 8);
  number(size, 124, 12);
  number(0, 136, 12);
  block.fill(' ', 148, 156);
  block.write(TYPES[member.kind], 156, 'latin1');
  if ('target' in member) block.write(member.target.slice(0, 100), 157, 'utf8');
  block.write('ustar  \0', 257, 'latin1');
  if (member.kind === 'device') {
    number(member.major, 329, 8);
    number(member.minor, 337, 8);
  }
  return withSum(block);
}

function withSum(block: Buffer): Buffer {
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

// GNU's way with names above 100 bytes
function longName(name: string, type: 'L' | 'K'): Buffer[] {
  if (Buffer.byteLength(name) <= 100) return [];
  const bytes = Buffer.from(`${name}\0`);
  const block = header({ path: '././@LongLink', kind: 'folder', mode: 0 }, bytes.length);
  block.fill(' ', 148, 156);
  block.write(type, 156, 'latin1');
  return [withSum(block), bytes, Buffer.alloc(padding(bytes.length))];
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
