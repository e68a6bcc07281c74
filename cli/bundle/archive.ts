import { shownAddress } from '../download/address.ts';
import { KataError } from '../errors/index.ts';
import type { ArchiveProver } from '../trust/types.ts';
import { damaged, rejected } from './complaints.ts';
import { decompressed } from './decompress.ts';
import { archiveNames, formatOf } from './formats.ts';
import { type Count, countOf } from './limits.ts';
import { checkMode, modeOf, placeOf, targetOf } from './memberRules.ts';
import { type Receiver, receiveFile, receiveFolder, receiveHardLink, receiveLink } from './receive.ts';
import { contentsBytes, contentsName, readContents } from './savedFormat.ts';
import { type SavedReader, savedReader } from './savedReader.ts';
import { openSource, type SourceBytes, type Watch } from './sourceBytes.ts';
import { parseHeader } from './tarHeader.ts';
import { type Member, readTar } from './tarReader.ts';
import type { ArchiveRecord, SourceRecord } from './types.ts';

/** Whether the file is a saved bundle, by its first bytes. It may be another one when it is read. */
export async function isSavedBundle(path: string): Promise<boolean> {
  const bytes = await openSource(path);
  try {
    return formatOf(bytes.head) === 'tar' && parseHeader(bytes.head)?.name.toString() === contentsName;
  } finally {
    await bytes.close();
  }
}

/** Reads one archive into the receiver. Throws the codes of the bundle and `host-program-missing`. */
export async function readArchive(path: string, index: number, receiver: Receiver, watch: Watch): Promise<SourceRecord> {
  const bytes = await openSource(path, watch);
  try {
    const { signal, prover } = watch;
    const reading = { index, receiver, signal, prover, place: shownAddress(path), count: countOf(bytes.name), inside: false };
    const archives = await readMembers(bytes, reading);
    return { name: bytes.name, digest: bytes.digest(), sizeBytes: bytes.sizeBytes, ...(archives !== undefined && { archives }) };
  } catch (error) {
    if (error instanceof KataError && error.code.startsWith('bundle-')) await bytes.forget();
    throw error;
  } finally {
    await bytes.close();
  }
}

interface Reading {
  index: number;
  receiver: Receiver;
  signal: AbortSignal | undefined;
  /** Of a saved bundle and of all archives in it together. */
  count: Count;
  /** An archive in a saved bundle. */
  inside: boolean;
  /** Without it the archives of a saved bundle need no proof of their own. With it nothing but a saved bundle is read. */
  prover: ArchiveProver | undefined;
  /** Of the file: a path or an address without secrets. */
  place: string;
}

async function readMembers(bytes: SourceBytes, reading: Reading): Promise<ArchiveRecord[] | undefined> {
  const { index, receiver, signal, count, inside, prover } = reading;
  const chunks = tarBytes(bytes, signal);
  let saved: SavedReader | undefined;
  let first = true;
  try {
    for await (const member of readTar(chunks, bytes.name, count)) {
      count.add('members', 1);
      count.add('bytes', member.sizeBytes);
      count.add('nameBytes', Buffer.byteLength(member.name) + Buffer.byteLength(member.target));
      const isDocument = first && !inside && member.name === contentsName;
      first = false;
      if (isDocument) saved = await savedOf(member, bytes.name, reading);
      else if (saved !== undefined) await saved.member(member);
      else if (prover !== undefined && !inside) throw prover.unproven([]);
      else await receiveMember(receiver, member, index, bytes.name);
    }
    return saved?.finish();
  } finally {
    await chunks.return();
  }
}

async function savedOf(member: Member, source: string, reading: Reading): Promise<SavedReader> {
  const contents = readContents(await wholeOf(member, source), source);
  return savedReader({
    ...reading,
    contents,
    source,
    readArchive: async (inner, index) => void (await readMembers(inner, { ...reading, index, inside: true })),
  });
}

async function wholeOf({ body, sizeBytes }: Member, source: string): Promise<Buffer> {
  if (sizeBytes > contentsBytes) throw damaged(source, `${contentsName} is too long`);
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function receiveMember(receiver: Receiver, member: Member, source: number, sourceName: string): Promise<void> {
  const path = placeOf(member.name, sourceName);
  const { kind, sizeBytes, body } = member;
  if (kind !== 'symlink') checkMode(member.name, member.mode, sourceName);
  if (path === undefined || path === '') {
    if (kind === 'directory') return;
    throw rejected('bundle-layout', sourceName, member.name, `is a ${kind}`, 'opt/kata as a folder');
  }
  const base = { path, mode: member.mode, sizeBytes, source, sourceName };
  if (kind === 'directory') receiveFolder(receiver, { ...base, kind, mode: modeOf(kind, member.mode) });
  else if (kind === 'symlink') receiveLink(receiver, { ...base, kind, target: targetOf(path, member.target, sourceName) });
  else if (kind === 'hardlink')
    await receiveHardLink(receiver, { ...base, kind: 'file', target: placeOf(member.target, sourceName) ?? '' });
  else await receiveFile(receiver, { ...base, kind }, body);
}

function tarBytes(bytes: SourceBytes, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
  const format = formatOf(bytes.head);
  if (format === 'tar') return bytes.chunks(true);
  if (format !== undefined) return decompressed(format, bytes.chunks(false), bytes.name, signal);
  throw new KataError('bundle-format', {
    subject: bytes.name,
    found: bytes.sizeBytes === 0 ? `${bytes.name} is empty` : `${bytes.name} does not begin like a tar, zstd, xz or gzip file`,
    needed: `an archive (${archiveNames}), or an unpacked folder`,
    next: 'fetch kata-static-VERSION-ARCH.tar.zst again; a proxy or login page may have been saved in its place',
  });
}
