import { damaged, rejected } from './complaints.ts';
import { type Cursor, cursorOf } from './cursor.ts';
import { type Count, countOf } from './limits.ts';
import { blockBytes, type Header, isZero, parseHeader } from './tarHeader.ts';

/** A member as the archive names it; nothing about it is trusted yet. */
export interface Member {
  name: string;
  kind: 'file' | 'directory' | 'symlink' | 'hardlink';
  mode: number;
  sizeBytes: number;
  /** Symlinks and hard links. */
  target: string;
  /** Files: the bytes. Read them to their end before asking for the next member, or not at all: then they are skipped. */
  body: AsyncGenerator<Buffer, void>;
}

const kinds: Record<string, Member['kind']> = { '0': 'file', '7': 'file', '1': 'hardlink', '2': 'symlink', '5': 'directory' };
const devices: Record<string, string> = { '3': 'a character device', '4': 'a block device', '6': 'a pipe', S: 'a sparse file of GNU tar' };

const maxExtensionBytes = 1 << 20;
/** What may follow the two zero blocks: a record is seldom longer than 10 KiB, and never as long as this. */
const maxPaddingBytes = 16 << 20;

/**
 * The members of a tar archive (ustar, GNU long names, pax), in order, in one pass and without holding a member in memory.
 * Throws `bundle-damaged` for a wrong checksum, a malformed header, an end before the two zero blocks or bytes after them, and
 * `bundle-member-kind` for what is neither file, folder nor link, `bundle-too-large` beyond a limit of `count`.
 */
export async function* readTar(
  chunks: AsyncIterator<Buffer>,
  source: string,
  count: Count = countOf(source),
): AsyncGenerator<Member, void> {
  const cursor = cursorOf(chunks);
  const globals: Extension = new Map();
  let own: Extension = new Map();
  let before = '';
  for (;;) {
    const block = await cursor.exact(blockBytes);
    if (block === undefined) throw damaged(source, 'it ends before the end of the archive is marked');
    if (isZero(block)) {
      if (before !== '') throw damaged(source, 'it ends after a header that belongs to a member');
      await readEnd(cursor, source);
      return;
    }
    const header = parseHeader(block);
    if (header === undefined) throw damaged(source, 'a member has a header with a wrong checksum or a malformed number');
    if (extensions.includes(header.type)) {
      if (before.includes(header.type)) throw damaged(source, 'two headers of one kind extend the same member');
      before += header.type;
      // An empty one costs its block.
      count.add('extensionBytes', blockBytes + header.sizeBytes);
      const found = await readExtension(cursor, header, source);
      for (const [key, value] of found) (header.type === 'g' ? globals : own).set(key, value);
      continue;
    }
    const member = memberOf(header, new Map([...globals, ...own]), cursor, source);
    own = new Map();
    before = '';
    yield member;
    for await (const _ of member.body);
  }
}

type Extension = Map<string, Buffer>;

const extensions = ['x', 'g', 'L', 'K'];
const sparse = 'GNU.sparse.';
const relevant = /^(?:path|linkpath|size|GNU\.sparse\..*)$/s;

async function readExtension(cursor: Cursor, header: Header, source: string): Promise<Extension> {
  if (header.sizeBytes > maxExtensionBytes) throw damaged(source, `a header extension claims ${header.sizeBytes} bytes`);
  const body = await cursor.exact(padded(header.sizeBytes));
  if (body === undefined) throw damaged(source, 'it ends inside a header');
  const content = body.subarray(0, header.sizeBytes);
  if (header.type === 'L' || header.type === 'K') {
    const end = content.indexOf(0);
    return new Map([[header.type === 'L' ? 'path' : 'linkpath', end === -1 ? content : content.subarray(0, end)]]);
  }
  const records = parsePax(content);
  if (records === undefined) throw damaged(source, 'a pax header is malformed');
  // Times, owners and attributes do not matter here; what is not kept cannot pile up.
  return new Map([...records].filter(([key]) => relevant.test(key)).map(([key, value]) => [key.startsWith(sparse) ? sparse : key, value]));
}

function memberOf(header: Header, extension: Extension, cursor: Cursor, source: string): Member {
  const name = decoded(extension.get('path') ?? header.name, source);
  const target = decoded(extension.get('linkpath') ?? header.linkName, source);
  if (extension.has(sparse)) throw oddKind(source, name, devices['S']!);
  const known = kinds[header.type];
  if (known === undefined) throw oddKind(source, name, devices[header.type] ?? `of the unknown type ${JSON.stringify(header.type)}`);
  // Before ustar a folder was a file whose name ends in a slash.
  const kind = known === 'file' && name.endsWith('/') ? 'directory' : known;
  const sizeBytes = sizeOf(header, extension, source);
  if (kind !== 'file' && sizeBytes !== 0) throw damaged(source, `a ${kind} claims ${sizeBytes} bytes of content`);
  return { name, kind, mode: header.mode, sizeBytes, target, body: bodyOf(cursor, sizeBytes, source) };
}

async function* bodyOf(cursor: Cursor, sizeBytes: number, source: string): AsyncGenerator<Buffer, void> {
  const lacks = yield* cursor.pieces(sizeBytes);
  if (lacks > 0) throw damaged(source, 'it ends inside a member');
  const padding = padded(sizeBytes) - sizeBytes;
  if (padding > 0 && (await cursor.exact(padding)) === undefined) throw damaged(source, 'it ends inside a member');
}

async function readEnd(cursor: Cursor, source: string): Promise<void> {
  const second = await cursor.exact(blockBytes);
  if (second === undefined || !isZero(second)) throw damaged(source, 'the mark at its end is not whole');
  let bytes = 0;
  for await (const piece of cursor.pieces(Number.MAX_SAFE_INTEGER)) {
    bytes += piece.length;
    if (bytes > maxPaddingBytes || !isZero(piece)) throw damaged(source, 'something follows the end of the archive');
  }
}

function sizeOf(header: Header, extension: Extension, source: string): number {
  const record = extension.get('size')?.toString('latin1');
  if (record === undefined) return header.sizeBytes;
  const size = /^[0-9]{1,16}$/.test(record) ? Number(record) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw damaged(source, 'a pax header has a malformed size');
  return size;
}

function decoded(bytes: Buffer, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw rejected('bundle-layout', source, bytes.toString('latin1'), 'is a name that is not UTF-8', 'names in UTF-8');
  }
}

function oddKind(source: string, name: string, what: string) {
  return rejected('bundle-member-kind', source, name, `is ${what}`, 'only files, folders and links');
}

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes) * blockBytes;
}

/** The records of a pax extended header: key → value bytes; undefined when it is malformed. */
function parsePax(body: Buffer): Map<string, Buffer> | undefined {
  const records = new Map<string, Buffer>();
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    if (space === -1 || space - at > 10) return undefined;
    const digits = body.toString('latin1', at, space);
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (end <= space || end > body.length || body[end - 1] !== 0x0a) return undefined;
    const equals = body.indexOf(0x3d, space);
    if (equals === -1 || equals >= end) return undefined;
    records.set(body.toString('utf8', space + 1, equals), body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}
