import { createHash } from 'node:crypto';
import { type FileHandle, lstat, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ReadAt } from '../bundle/elf.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { type Digest, openRegular } from '../host/index.ts';
import { type Runner, requireKind, requireSize, unfit } from './kinds.ts';
import type { ComponentKind, Own, OwnFile } from './types.ts';

const pieceBytes = 1 << 20;

/** What was read of a file, which stayed the same meanwhile. */
export interface Read {
  digest: Digest;
  sizeBytes: number;
}

/**
 * Reads a file of a user whole, and hands on each piece with its place. The file is opened without following a link, is a regular one of a
 * bounded size, and has to be the same before and after. `path` is a real path. Throws `component-missing`, `component-unfit`,
 * `component-changed`.
 */
export async function readComponent(
  kind: ComponentKind,
  path: string,
  take: (piece: Buffer, at: number) => Promise<void> = async () => undefined,
  signal?: AbortSignal,
): Promise<Read> {
  const name = basename(path);
  const file = await openComponent(kind, path);
  try {
    const before = await file.stat({ bigint: true });
    const sizeBytes = Number(before.size);
    requireSize(kind, { name, sizeBytes });
    const hash = createHash('sha256');
    for (let at = 0; ; ) {
      signal?.throwIfAborted();
      // One byte more than is left: a file that grows is noticed here, and nothing of it is taken.
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(pieceBytes, sizeBytes - at + 1)), 0, undefined, at);
      if (bytesRead === 0 && at === sizeBytes) break;
      if (bytesRead === 0 || at + bytesRead > sizeBytes) throw changed(path);
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      await take(piece, at);
      at += bytesRead;
    }
    const after = await file.stat({ bigint: true });
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs || after.ctimeNs !== before.ctimeNs) throw changed(path);
    return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
  } finally {
    await file.close();
  }
}

/** What can be refused before a release is unpacked: the copy is checked again. Without a runner only that it is a file of a sane size. */
export async function requireComponent(kind: ComponentKind, path: string, runner: Runner | undefined): Promise<void> {
  const file = await openComponent(kind, path);
  try {
    const candidate = { name: basename(path), sizeBytes: (await file.stat()).size, readAt: readerOf(file) };
    if (runner === undefined) requireSize(kind, candidate);
    else await requireKind(kind, candidate, runner);
  } finally {
    await file.close();
  }
}

export function readerOf(file: FileHandle): ReadAt {
  return async (offset, length) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
}

async function openComponent(kind: ComponentKind, path: string): Promise<FileHandle> {
  await refuseLink(kind, path);
  const file = await openRegular(path).catch((error: unknown) => Promise.reject(missing(path, error)));
  if (file === undefined) throw unfit(kind, basename(path), 'is /dev/null', 'a file');
  return file;
}

export async function digestOfComponent(kind: ComponentKind, path: string): Promise<Digest> {
  return (await readComponent(kind, path)).digest;
}

/** The same handlers, with the places of only those files that still are as they were: a kernel may have been built again meanwhile. */
export async function withProvenPlaces<T extends { own?: Own | undefined }>(handlers: readonly T[]): Promise<T[]> {
  const isSame = ({ kind, place, digest }: OwnFile) =>
    place !== undefined &&
    digestOfComponent(kind, place).then(
      (now) => now === digest,
      () => false,
    );
  return Promise.all(
    handlers.map(async (handler) => {
      const { own } = handler;
      if (own === undefined) return handler;
      const files = await Promise.all(
        own.files.map(async ({ place, ...file }) => ((await isSame({ ...file, place })) ? { ...file, place } : file)),
      );
      return { ...handler, own: { ...own, files } };
    }),
  );
}

/** For people: what is opened afterwards is opened without following a link in any case. */
async function refuseLink(kind: ComponentKind, path: string): Promise<void> {
  const stat = await lstat(path).catch((error: unknown) => Promise.reject(missing(path, error)));
  if (stat.isSymbolicLink()) {
    const target = await readlink(path).catch(() => '');
    throw unfit(
      kind,
      path,
      `is a link to ${target}`,
      'the file itself: a link may lead elsewhere a moment later',
      `readlink -f ${commandWord(path)}`,
    );
  }
  if (!stat.isFile()) throw unfit(kind, path, `is ${stat.isDirectory() ? 'a folder' : 'no regular file'}`, 'a regular file');
}

function missing(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (code === undefined || error instanceof KataError) return error;
  return new KataError('component-missing', {
    subject: path,
    found: `${path} is not there or cannot be read (${code})`,
    needed: 'the file of the component',
    next: `ls -l ${commandWord(path)}`,
  });
}

function changed(path: string): KataError {
  return new KataError('component-changed', {
    subject: path,
    found: `${path} changed while it was read`,
    needed: 'a file that stays as it is',
    next: 'wait until whoever writes it has finished, and repeat the command',
  });
}
