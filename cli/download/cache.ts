import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, KataError } from '../errors/index.ts';
import { openRegular } from '../host/regular.ts';
import type { Digest } from '../host/types.ts';
import { writeWhole } from '../host/writeWhole.ts';
import { mostBytes } from './types.ts';

/** A file of the cache, named by its digest. What it has is proven by the digest over everything, each time that it is read. */
export interface Kept {
  /** What an earlier run left. */
  bytes: number;
  whole: boolean;
  /** The first `bytes` bytes. */
  read(): AsyncGenerator<Buffer, void>;
  append(piece: Buffer): Promise<void>;
  /** All of it is there, and proven. */
  finish(): Promise<void>;
  forget(): Promise<void>;
  close(): Promise<void>;
}

const { O_CREAT, O_NOFOLLOW, O_RDWR, O_NONBLOCK } = constants;
const chunkBytes = 1 << 20;

/** Opens what the folder has of the file with this digest. Throws `usage` for a folder that cannot be used. */
export async function openKept(folder: string, digest: Digest): Promise<Kept> {
  const name = join(folder, digest.replace(':', '-'));
  const partial = `${name}.part`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const finished = await openRegular(name).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return undefined;
    });
    if (finished !== undefined && (await finished.stat()).size > mostBytes) throw new Error(`${name} is larger than any archive`);
    if (finished !== undefined) return kept({ file: finished, path: name, name, bytes: (await finished.stat()).size, whole: true });
    const file = await open(partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const stat = await file.stat();
    if (stat.isFile()) return kept({ file, path: partial, name, bytes: stat.size, whole: false });
    await file.close();
    throw new Error(`${partial} is no regular file`);
  } catch (error) {
    throw unusable(folder, error);
  }
}

function kept({ file, path, name, bytes, whole }: { file: FileHandle; path: string; name: string; bytes: number; whole: boolean }): Kept {
  let end = bytes;
  return {
    bytes,
    whole,
    async *read() {
      for (let at = 0; at < bytes; ) {
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, bytes - at)), 0, undefined, at);
        if (bytesRead === 0) throw unusable(path, new Error('it became shorter while it was read'));
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
    async append(piece) {
      try {
        await writeWhole(file, piece, end);
      } catch (error) {
        throw errnoOf(error) === 'ENOSPC' ? full(path, error) : error;
      }
      end += piece.length;
    },
    async finish() {
      if (whole) return;
      await file.sync();
      await rename(path, name);
    },
    forget: () => rm(path, { force: true }),
    close: () => file.close(),
  };
}

function unusable(folder: string, error: unknown): KataError {
  return new KataError('usage', {
    subject: '--cache',
    found: `${folder} cannot keep archives (${errnoOf(error) ?? (error instanceof Error ? error.message : String(error))})`,
    needed: 'a folder in which this user may write',
    next: `ls -ld ${folder}`,
    cause: error,
  });
}

function full(path: string, cause: unknown): KataError {
  return new KataError('host-space', {
    subject: path,
    found: `the disk of ${path} is full`,
    needed: 'room for the whole archive',
    next: 'name another folder with --cache, or none',
    cause,
  });
}
