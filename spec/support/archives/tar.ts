/** A member of a tar archive as a test wants it, right or wrong. */
export interface TarMember {
  name: string | Buffer;
  /** The type flag: '0' file (default), '1' hard link, '2' symlink, '3' '4' devices, '5' folder, '6' pipe, 'S' sparse. */
  type?: string;
  mode?: number;
  content?: string | Buffer;
  linkName?: string;
  /** A size that need not be the content's. */
  size?: number;
  /** How a name or link longer than a header takes is written. */
  long?: 'pax' | 'gnu';
  /** Further pax records. */
  pax?: Record<string, string>;
  base256?: boolean;
  badChecksum?: boolean;
}

/** A tar archive; `zeroBlocks` is two in a whole one. */
export function makeTar(members: TarMember[], zeroBlocks = 2): Buffer {
  return Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(zeroBlocks * 512)]);
}

export function folder(name: string): TarMember {
  return { name, type: '5', mode: 0o755 };
}

export function file(name: string, content: string | Buffer = 'content', mode = 0o644): TarMember {
  return { name, content, mode };
}

export function symlink(name: string, linkName: string): TarMember {
  return { name, type: '2', linkName, mode: 0o777 };
}

function memberBlocks(member: TarMember): Buffer[] {
  const content = Buffer.from(member.content ?? '');
  const records = {
    ...(member.long === 'pax' ? { path: String(member.name), ...(member.linkName ? { linkpath: member.linkName } : {}) } : {}),
    ...member.pax,
  };
  const blocks: Buffer[] = [];
  if (Object.keys(records).length > 0) blocks.push(...extension('x', paxBody(records)));
  if (member.long === 'gnu') {
    blocks.push(...extension('L', Buffer.from(`${String(member.name)}\0`)));
    if (member.linkName) blocks.push(...extension('K', Buffer.from(`${member.linkName}\0`)));
  }
  return [...blocks, header(member, member.size ?? content.length), ...padded(content)];
}

function extension(type: string, body: Buffer): Buffer[] {
  return [header({ name: '././@LongLink', type }, body.length), ...padded(body)];
}

function paxBody(records: Record<string, string>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const bare = Buffer.byteLength(` ${key}=${value}\n`);
      let length = bare + 1;
      while (String(length).length + bare !== length) length++;
      return Buffer.from(`${length} ${key}=${value}\n`);
    }),
  );
}

function padded(content: Buffer): Buffer[] {
  return [content, Buffer.alloc((512 - (content.length % 512)) % 512)];
}

function header(member: TarMember, size: number): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(member.name).copy(block, 0, 0, 100);
  block.write(octal(member.mode ?? 0o644, 8), 100);
  block.write(octal(0, 8) + octal(0, 8), 108);
  if (member.base256) {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  } else block.write(octal(size, 12), 124);
  block.write(octal(1_700_000_000, 12), 136);
  block.write(member.type ?? '0', 156);
  block.write((member.linkName ?? '').slice(0, 100), 157);
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, member.badChecksum ? 1 : 0);
  block.write(`${octal(sum, 7)} `, 148, 'latin1');
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}
