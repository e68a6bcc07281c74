import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { lockDescription, sameFile } from '../host/lock.ts';
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

/**
 * Opens what the folder has of the file with this digest. Undefined where another download keeps this file at the moment: one alone writes
 * the part. Throws `usage` for a folder that cannot be used.
 */
export async function openKept(folder: string, digest: Digest): Promise<Kept | undefined> {
  const name = join(folder, digest.replace(':', '-'));
  const partial = `${name}.part`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (;;) {
      const finished = await openRegular(name).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw error;
        return undefined;
      });
      if (finished !== undefined && (await finished.stat()).size > mostBytes) throw new Error(`${name} is larger than any archive`);
      if (finished !== undefined) return kept({ file: finished, path: name, name, bytes: (await finished.stat()).size, whole: true });
      const part = await openPart(partial);
      if (part === 'taken') return undefined;
      if (part !== 'finished') return kept({ file: part, path: partial, name, bytes: (await part.stat()).size, whole: false });
    }
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** The part, locked until it is closed; or what another download does with it, or did between open and lock. */
async function openPart(path: string): Promise<FileHandle | 'taken' | 'finished'> {
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is no regular file`);
    // Some file systems have no locks, and some hosts no flock: there the part is used without.
    const locked = await lockDescription(file).catch(() => true);
    if (locked && (await sameFile(file, path))) return file;
    await file.close();
    return locked ? 'finished' : 'taken';
  } catch (error) {
    await file.close();
    throw error;
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
      // Without a lock another run may have finished or removed it. What was read is proven in any case.
      if (await sameFile(file, path)) await rename(path, name);
    },
    async forget() {
      if (await sameFile(file, path)) await rm(path, { force: true });
    },
    close: () => file.close(),
  };
}

function unusable(folder: string, error: unknown): KataError {
  return new KataError('usage', {
    subject: '--cache',
    found: `${folder} cannot keep archives (${errnoOf(error) ?? (error instanceof Error ? error.message : String(error))})`,
    needed: 'a folder in which this user may write',
    next: `ls -ld ${commandWord(folder)}`,
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
