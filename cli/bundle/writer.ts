import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import type { Digest } from '../host/types.ts';

/** Writes a tree below a folder. It trusts its paths: `memberRules` and `tree` have judged them. */
export interface Writer {
  file(path: string, mode: number, body: AsyncIterable<Buffer>): Promise<Digest>;
  /** A copy with its own inode: labels and modes of the two must not depend on each other. */
  copy(from: string, to: string, sizeBytes: number): Promise<void>;
  symlink(path: string, target: string): void;
  /** Gives the folders their modes. */
  finish(modeOf: (folder: string) => number): void;
  /** All folders that were made, relative, parents first. */
  folders: Set<string>;
}

const batchBytes = 1 << 20;
/** So much may be written between two looks at the free room. */
const lookEvery = 16 << 20;

const writev = promisify(fs.writev);

/** @param haveRoom is asked again and again, before so many more bytes are written; it throws where they do not fit */
export function writerInto(into: string, haveRoom?: (moreBytes: number) => Promise<void>): Writer {
  const folders = new Set<string>();
  let unasked = 0;
  const ask = async (bytes: number): Promise<void> => {
    unasked += bytes;
    if (unasked < lookEvery) return;
    unasked = 0;
    await haveRoom?.(bytes);
  };

  function makeParents(path: string): void {
    const folder = dirname(path);
    if (folder === '.' || folders.has(folder)) return;
    makeParents(folder);
    fs.mkdirSync(join(into, folder), 0o755);
    folders.add(folder);
  }

  return {
    folders,
    file(path, mode, body) {
      return orNoSpace(into, async () => {
        makeParents(path);
        return await writeNew(join(into, path), mode, body, ask);
      });
    },
    copy(from, to, sizeBytes) {
      return orNoSpace(into, async () => {
        makeParents(to);
        await ask(sizeBytes);
        await copyFile(join(into, from), join(into, to), fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
      });
    },
    symlink(path, target) {
      makeParents(path);
      fs.symlinkSync(target, join(into, path));
    },
    finish(modeOf) {
      // After the content: a folder may be one that even its owner cannot write to.
      for (const folder of folders) fs.chmodSync(join(into, folder), modeOf(folder));
    },
  };
}

type Ask = (bytes: number) => Promise<void>;

async function writeNew(real: string, mode: number, body: AsyncIterable<Buffer>, ask: Ask): Promise<Digest> {
  const hash = createHash('sha256');
  const file = fs.openSync(real, 'wx', 0o600);
  let pending: Promise<void> | undefined;
  try {
    let batch: Buffer[] = [];
    let bytes = 0;
    for await (const piece of body) {
      hash.update(piece);
      batch.push(piece);
      bytes += piece.length;
      if (bytes < batchBytes) continue;
      await pending;
      await ask(bytes);
      // One write is under way while the next megabyte is decompressed and hashed.
      pending = writeAll(file, batch);
      pending.catch(() => undefined);
      batch = [];
      bytes = 0;
    }
    await pending;
    await ask(bytes);
    if (batch.length > 0) writeAllNow(file, batch);
    // Not at open: that would go through the umask.
    fs.fchmodSync(file, mode);
  } finally {
    await pending?.catch(() => undefined);
    fs.closeSync(file);
  }
  return `sha256:${hash.digest('hex')}`;
}

async function writeAll(file: number, batch: Buffer[]): Promise<void> {
  for (let rest = batch; rest.length > 0; ) {
    const { bytesWritten } = await writev(file, rest);
    rest = remaining(rest, bytesWritten);
  }
}

function writeAllNow(file: number, batch: Buffer[]): void {
  for (let rest = batch; rest.length > 0; ) rest = remaining(rest, fs.writevSync(file, rest));
}

function remaining(batch: Buffer[], written: number): Buffer[] {
  let left = written;
  for (const [at, piece] of batch.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...batch.slice(at + 1)];
    left -= piece.length;
  }
  return [];
}

async function orNoSpace<T>(into: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')) throw error;
    throw new KataError('host-space', {
      subject: into,
      found: `the file system of ${into} is full`,
      needed: 'room for the files of the handlers',
      next: `free some: df -h ${commandWord(into)}`,
      cause: error,
    });
  }
}
