import { createHash } from 'node:crypto';
import type { Digest } from '../host/types.ts';
import { taskServices } from '../shimProtocol/index.ts';
import { rejected } from './complaints.ts';
import { machineOf } from './elf.ts';
import type { Count } from './limits.ts';
import { checkAsset, modeOf, needsHead } from './memberRules.ts';
import { type Claim, claim, duplicate, type Tree } from './tree.ts';
import type { TreeEntry } from './types.ts';
import type { Writer } from './writer.ts';

/** What all sources of one bundle share while they are read. */
export interface Receiver {
  tree: Tree;
  writer: Writer;
  keep(path: string): boolean;
  tell(path: string): boolean;
  texts: Map<string, string>;
  entries: Map<string, TreeEntry>;
  machines: Map<string, string>;
  services: Map<string, number[]>;
  /** What each source says in its VERSION, by its index. */
  versions: Map<number, string>;
  /** Archives of saved bundles, by the index that each has in `versions`. */
  savedNames: Map<number, string>;
  textCount: Count;
  skippedFiles: number;
  skippedBytes: number;
}

const headBytes = 4096;
const longestText = 1 << 20;
export const versionPath = 'VERSION';
const programFolders = /^(?:bin|libexec|runtime-rs)\//;
const shims = /(?:^|\/)containerd-shim-[^/]+$/;

/** A folder: it is made only when something in it is kept. */
export function receiveFolder(receiver: Receiver, member: Claim): void {
  claim(receiver.tree, member);
}

/** A link, its target already relative. */
export function receiveLink(receiver: Receiver, member: Claim & { target: string }): void {
  const { path, target } = member;
  if (claim(receiver.tree, member) === 'same' || !receiver.keep(path)) return;
  receiver.writer.symlink(path, target);
  receiver.entries.set(path, { path, kind: 'symlink', mode: 0o777, target });
}

/** A file: written, compared or skipped. Reads `body` to its end, or not at all when its bytes do not matter. */
export async function receiveFile(receiver: Receiver, member: Claim, body: AsyncIterable<Buffer>): Promise<void> {
  const { path, sizeBytes, source, sourceName } = member;
  checkAsset(path, sizeBytes, undefined, sourceName);
  if (path === versionPath && sizeBytes > headBytes) throw rejected('bundle-layout', sourceName, path, 'is too long', 'a version');
  const state = claim(receiver.tree, member);
  const services = shims.test(path) ? taskServices() : undefined;
  const kept: Buffer[] | undefined = receiver.tell(path) && sizeBytes <= longestText ? [] : undefined;
  if (kept !== undefined) receiver.textCount.add('textBytes', sizeBytes);
  const head = headOf(body, (piece) => {
    services?.add(piece);
    kept?.push(piece);
  });
  if (receiver.keep(path)) await receiveKept(receiver, member, head.body, state);
  else {
    if (state === 'new') {
      receiver.skippedFiles++;
      receiver.skippedBytes += sizeBytes;
    }
    if (path === versionPath || kept !== undefined || needsHead(path, sizeBytes)) for await (const _ of head.body);
  }
  checkAsset(path, sizeBytes, head.bytes(), sourceName);
  if (kept !== undefined) receiver.texts.set(path, Buffer.concat(kept).toString());
  if (path === versionPath) receiver.versions.set(source, head.bytes().toString().trim());
  const machine = programFolders.test(path) ? machineOf(head.bytes()) : undefined;
  if (machine !== undefined) receiver.machines.set(path, machine);
  if (services !== undefined && receiver.keep(path)) receiver.services.set(path, services.versions());
}

/** A hard link: a file with the content of one that came before it in the same archive. */
export async function receiveHardLink(receiver: Receiver, member: Claim & { target: string }): Promise<void> {
  const { path, target, source, sourceName } = member;
  const place = receiver.tree.places.get(target);
  if (place?.kind !== 'file' || place.source !== source) {
    const found = `is a hard link to ${target}, which is no file that came before it`;
    throw rejected('bundle-member-escapes', sourceName, path, found, 'hard links to files of the same archive');
  }
  const { target: _, ...file } = member;
  const state = claim(receiver.tree, { ...file, kind: 'file', sizeBytes: place.sizeBytes });
  const original = receiver.entries.get(target);
  if (!receiver.keep(path)) {
    if (state === 'new') receiver.skippedFiles++;
    return;
  }
  if (original?.digest === undefined) {
    const found = `is a hard link to ${target}, which no wanted handler keeps`;
    throw rejected('bundle-member-kind', sourceName, path, found, 'a copy or a symlink in place of the hard link');
  }
  if (state === 'same') {
    if (receiver.entries.get(path)?.digest !== original.digest) throw duplicate(member, false);
    return;
  }
  // Its header says nothing of the bytes that the copy takes.
  receiver.tree.count.add('bytes', place.sizeBytes);
  await receiver.writer.copy(target, path, place.sizeBytes);
  receiver.entries.set(path, { ...original, path });
}

async function receiveKept(receiver: Receiver, member: Claim, body: AsyncIterable<Buffer>, state: 'new' | 'same'): Promise<void> {
  const { path, sizeBytes } = member;
  if (state === 'same') {
    if ((await digestOf(body)) !== receiver.entries.get(path)?.digest) throw duplicate(member, false);
    return;
  }
  const mode = modeOf('file', member.mode);
  const digest = await receiver.writer.file(path, mode, body);
  receiver.entries.set(path, { path, kind: 'file', mode, sizeBytes, digest });
}

/** The body, passed on, and a copy of its first bytes. `look` sees every piece. */
function headOf(body: AsyncIterable<Buffer>, look?: (piece: Buffer) => void): { body: AsyncGenerator<Buffer, void>; bytes(): Buffer } {
  let head: Buffer = Buffer.alloc(0);
  async function* pass(): AsyncGenerator<Buffer, void> {
    for await (const piece of body) {
      if (head.length < headBytes) head = Buffer.concat([head, piece.subarray(0, headBytes - head.length)]);
      look?.(piece);
      yield piece;
    }
  }
  return { body: pass(), bytes: () => head };
}

export async function digestOf(body: AsyncIterable<Buffer>): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}
