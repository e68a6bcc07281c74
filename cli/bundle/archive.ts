import { KataError } from '../errors/index.ts';
import { rejected } from './complaints.ts';
import { decompressed } from './decompress.ts';
import { archiveNames, formatOf } from './formats.ts';
import { countOf } from './limits.ts';
import { checkMode, modeOf, placeOf, targetOf } from './memberRules.ts';
import { type Receiver, receiveFile, receiveFolder, receiveHardLink, receiveLink } from './receive.ts';
import { openSource, type SourceBytes, type Watch } from './sourceBytes.ts';
import { type Member, readTar } from './tarReader.ts';
import type { SourceRecord } from './types.ts';

/** Reads one archive into the receiver. Throws the codes of the bundle and `host-program-missing`. */
export async function readArchive(path: string, index: number, receiver: Receiver, watch: Watch): Promise<SourceRecord> {
  const bytes = await openSource(path, watch);
  try {
    await readMembers(bytes, index, receiver, watch.signal);
    return { name: bytes.name, digest: bytes.digest(), sizeBytes: bytes.sizeBytes };
  } finally {
    await bytes.close();
  }
}

async function readMembers(bytes: SourceBytes, index: number, receiver: Receiver, signal?: AbortSignal): Promise<void> {
  const chunks = tarBytes(bytes, signal);
  const count = countOf(bytes.name);
  try {
    for await (const member of readTar(chunks, bytes.name, count)) {
      count.add('members', 1);
      count.add('bytes', member.sizeBytes);
      count.add('nameBytes', Buffer.byteLength(member.name) + Buffer.byteLength(member.target));
      await receiveMember(receiver, member, index, bytes.name);
    }
  } finally {
    await chunks.return();
  }
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
