import { KataError } from '../errors/index.ts';
import { rejected } from './complaints.ts';
import { decompressed } from './decompress.ts';
import { formatOf } from './formats.ts';
import { checkMode, modeOf, placeOf, targetOf } from './memberRules.ts';
import { type Receiver, receiveFile, receiveFolder, receiveHardLink, receiveLink } from './receive.ts';
import { openSource, type SourceBytes, type Watch } from './sourceBytes.ts';
import { type Member, readTar } from './tarReader.ts';
import type { SourceRecord } from './types.ts';

const maxMembers = 200_000;
/** No release comes near; a bomb of zeros does. */
const maxTotalBytes = 64 * 2 ** 30;
const maxNamesChars = 16 * 2 ** 20;

/** Reads one archive into the receiver. Throws the codes of the bundle and `host-program-missing`. */
export async function readArchive(path: string, index: number, receiver: Receiver, watch: Watch): Promise<SourceRecord> {
  const bytes = await openSource(path, watch);
  try {
    await readMembers(bytes, index, receiver);
    return { name: bytes.name, digest: bytes.digest(), sizeBytes: bytes.sizeBytes };
  } finally {
    await bytes.close();
  }
}

async function readMembers(bytes: SourceBytes, index: number, receiver: Receiver): Promise<void> {
  const chunks = tarBytes(bytes);
  try {
    let members = 0;
    let total = 0;
    let names = 0;
    for await (const member of readTar(chunks, bytes.name)) {
      total += member.sizeBytes;
      names += member.name.length + member.target.length;
      if (++members > maxMembers || total > maxTotalBytes || names > maxNamesChars) {
        throw rejected(
          'bundle-layout',
          bytes.name,
          member.name,
          'is one too many',
          `at most ${maxMembers} members and ${maxTotalBytes} bytes`,
        );
      }
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

function tarBytes(bytes: SourceBytes): AsyncGenerator<Buffer, void> {
  const format = formatOf(bytes.head);
  if (format === 'tar') return bytes.chunks(true);
  if (format !== undefined) return decompressed(format, bytes.chunks(false), bytes.name);
  throw new KataError('bundle-format', {
    subject: bytes.name,
    found: bytes.sizeBytes === 0 ? `${bytes.name} is empty` : `${bytes.name} does not begin like a tar, zstd or xz file`,
    needed: 'a .tar, .tar.zst or .tar.xz archive, or an unpacked folder',
    next: 'fetch kata-static-VERSION-ARCH.tar.zst again; a proxy or login page may have been saved in its place',
  });
}
