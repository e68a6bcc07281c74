import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, opendir, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KataError } from '../errors/index.ts';
import { stopIfAsked } from '../host/stoppable.ts';
import type { Digest } from '../host/types.ts';
import { rejected } from './complaints.ts';
import { type Count, countOf } from './limits.ts';
import { checkMode, modeOf, placeOf, targetOf } from './memberRules.ts';
import { digestOf, type Receiver, receiveFile, receiveFolder, receiveLink } from './receive.ts';
import type { Watch } from './sourceBytes.ts';
import type { SourceRecord } from './types.ts';

const chunkBytes = 1 << 20;

/** A member of an unpacked release, links not followed. */
interface Found {
  path: string;
  real: string;
  kind: 'file' | 'directory' | 'symlink';
  mode: number;
  sizeBytes: number;
  /** Symlinks: made relative. */
  target?: string;
}

/** Reads an unpacked release into the receiver, with the same checks as an archive. */
export async function readFolder(path: string, index: number, receiver: Receiver, watch: Watch): Promise<SourceRecord> {
  const sourceName = basename(path);
  const listing = createHash('sha256');
  let total = 0;
  for await (const found of walk(await releaseRoot(path), sourceName)) {
    stopIfAsked(watch.signal);
    const member = { ...found, source: index, sourceName };
    if (member.kind === 'directory') receiveFolder(receiver, member);
    else if (member.kind === 'symlink') receiveLink(receiver, { ...member, target: found.target ?? '' });
    let digest: Digest | undefined;
    if (found.kind === 'file') {
      total += found.sizeBytes;
      const body = readWhole(found, sourceName, watch);
      const hash = createHash('sha256');
      await receiveFile(receiver, member, hashing(body, hash));
      // Skipped files were not read: the digest of a folder is over all of them.
      for await (const piece of body) hash.update(piece);
      digest = `sha256:${hash.digest('hex')}`;
    }
    listing.update(line(found, digest));
  }
  return { name: sourceName, digest: `sha256:${listing.digest('hex')}`, sizeBytes: total };
}

/** The digest that `readFolder` would record, without unpacking. */
export async function digestOfFolder(path: string, watch: Watch = {}): Promise<Digest> {
  const sourceName = basename(path);
  const listing = createHash('sha256');
  for await (const found of walk(await releaseRoot(path), sourceName)) {
    stopIfAsked(watch.signal);
    listing.update(line(found, found.kind === 'file' ? await digestOf(readWhole(found, sourceName, watch)) : undefined));
  }
  return `sha256:${listing.digest('hex')}`;
}

/** The bytes of all files, for the progress. */
export async function sizeOfFolder(path: string, watch: Watch = {}): Promise<number> {
  let total = 0;
  for await (const found of walk(await releaseRoot(path), basename(path))) {
    stopIfAsked(watch.signal);
    total += found.sizeBytes;
  }
  return total;
}

/** The folder itself when it is an opt/kata, else the opt/kata in it. Throws `bundle-layout`. */
async function releaseRoot(path: string): Promise<string> {
  const isFolder = async (name: string): Promise<boolean> => (await lstat(join(path, name)).catch(() => undefined))?.isDirectory() === true;
  if ((await isFolder('opt')) && (await isFolder('opt/kata'))) return join(path, 'opt/kata');
  if (await isFolder('share/defaults/kata-containers')) return path;
  throw new KataError('bundle-layout', {
    subject: path,
    found: `${path} has neither opt/kata nor share/defaults/kata-containers in it`,
    needed: 'an unpacked release of Kata Containers: the folder above opt/kata, or opt/kata itself',
    next: 'name the folder that the archive was unpacked into',
  });
}

async function* walk(root: string, source: string): AsyncGenerator<Found, void> {
  const pending = [''];
  const count = countOf(source);
  while (pending.length > 0) {
    const folder = pending.pop()!;
    for (const name of await namesIn(join(root, folder), count)) {
      const path = folder === '' ? nameOf(name, source) : `${folder}/${nameOf(name, source)}`;
      const found = await look(root, path, source);
      count.add('bytes', found.sizeBytes);
      count.add('nameBytes', Buffer.byteLength(path) + Buffer.byteLength(found.target ?? ''));
      if (found.kind === 'directory') pending.push(path);
      yield found;
    }
  }
}

/** Names in byte order; they are counted while they are read, for a folder may have millions. */
async function namesIn(folder: string, count: Count): Promise<Buffer[]> {
  const names: Buffer[] = [];
  // Node gives bytes for this encoding, and has no type that says so.
  const entries = await opendir(folder, { encoding: 'buffer' as BufferEncoding });
  for await (const entry of entries) {
    count.add('members', 1);
    names.push(entry.name as unknown as Buffer);
  }
  return names.sort(Buffer.compare);
}

async function look(root: string, path: string, source: string): Promise<Found> {
  placeOf(`opt/kata/${path}`, source);
  const real = join(root, path);
  const stat = await lstat(real);
  if (stat.isSymbolicLink()) {
    return { path, real, kind: 'symlink', mode: 0o777, sizeBytes: 0, target: targetOf(path, await readlink(real), source) };
  }
  // A folder made below one with the set-gid bit has it too; modeOf drops it.
  if (!stat.isDirectory()) checkMode(path, stat.mode, source);
  if (stat.isDirectory()) return { path, real, kind: 'directory', mode: modeOf('directory', stat.mode), sizeBytes: 0 };
  if (stat.isFile()) return { path, real, kind: 'file', mode: modeOf('file', stat.mode), sizeBytes: stat.size };
  throw rejected('bundle-member-kind', source, path, 'is a device, a pipe or a socket', 'only files, folders and links');
}

function nameOf(name: Buffer, source: string): string {
  const text = name.toString('utf8');
  if (Buffer.from(text).equals(name)) return text;
  throw rejected('bundle-layout', source, text, 'is a name that is not UTF-8', 'names in UTF-8');
}

async function* readWhole(found: Found, source: string, watch: Watch): AsyncGenerator<Buffer, void> {
  // Another program may have replaced it by a link, a pipe or a device since it was looked at.
  const file = await open(found.real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) throw changed(found, source);
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size !== found.sizeBytes) throw changed(found, source);
    let bytes = 0;
    for (;;) {
      stopIfAsked(watch.signal);
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(chunkBytes), 0, chunkBytes, bytes);
      if (bytesRead === 0) break;
      bytes += bytesRead;
      // Not at its end only: a file that grows as fast as it is read has none.
      if (bytes > found.sizeBytes) throw changed(found, source);
      watch.onBytes?.(bytesRead);
      yield buffer.subarray(0, bytesRead);
    }
    if (bytes !== found.sizeBytes) throw changed(found, source);
  } finally {
    await file.close();
  }
}

function changed(found: Found, source: string): KataError {
  return rejected('bundle-damaged', source, found.path, 'changed while it was read', 'a folder that no program writes to');
}

async function* hashing(body: AsyncGenerator<Buffer, void>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer, void> {
  for await (const piece of body) {
    hash.update(piece);
    yield piece;
  }
}

function line(found: Found, digest: Digest | undefined): string {
  const { kind, path, mode, sizeBytes, target } = found;
  return `${kind}\0${path}\0${mode.toString(8)}\0${sizeBytes}\0${target ?? digest ?? ''}\n`;
}
