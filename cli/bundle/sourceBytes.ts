import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { errnoOf, KataError } from '../errors/index.ts';
import { openRegular } from '../host/regular.ts';
import { stopIfAsked } from '../host/stoppable.ts';
import type { Digest } from '../host/types.ts';
import { archiveNames } from './formats.ts';

/** An archive that is read once, from its first byte to its last. */
export interface SourceBytes {
  name: string;
  sizeBytes: number;
  /** The first 512 bytes, or fewer. */
  head: Buffer;
  /** With `fresh` each chunk is the reader's own; without it a chunk is overwritten two chunks later. */
  chunks(fresh: boolean): AsyncGenerator<Buffer, void>;
  /** Over the bytes that `chunks` gave; call it after the last. */
  digest(): Digest;
  close(): Promise<void>;
}

export interface Watch {
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal | undefined;
}

const chunkBytes = 1 << 20;

/** Throws `bundle-missing` when it cannot be read, `bundle-format` when it is no file. */
export async function openSource(path: string, watch: Watch = {}): Promise<SourceBytes> {
  const name = basename(path);
  const file = await openFile(path, name);
  try {
    const stat = await file.stat();
    const head = Buffer.alloc(512);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const hash = createHash('sha256');
    return {
      name,
      sizeBytes: stat.size,
      head: head.subarray(0, bytesRead),
      chunks: (fresh) => readChunks(file, fresh, watch, (chunk) => hash.update(chunk)),
      digest: () => `sha256:${hash.digest('hex')}`,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* readChunks(file: FileHandle, fresh: boolean, watch: Watch, see: (chunk: Buffer) => void): AsyncGenerator<Buffer, void> {
  const buffers = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)];
  let at = 0;
  let turn = 0;
  let ahead: Promise<Buffer> | undefined;
  const read = async (): Promise<Buffer> => {
    const buffer = fresh ? Buffer.allocUnsafeSlow(chunkBytes) : buffers[turn++ % 2]!;
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, at);
    at += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  try {
    ahead = read();
    for (;;) {
      const chunk = await ahead;
      stopIfAsked(watch.signal);
      if (chunk.length === 0) return;
      ahead = read();
      // A reader that stops early never awaits it.
      ahead.catch(() => undefined);
      see(chunk);
      watch.onBytes?.(chunk.length);
      yield chunk;
    }
  } finally {
    await ahead?.catch(() => undefined);
  }
}

/** What is no regular file is not opened: opening a device can act, and opening a pipe waits. */
async function openFile(path: string, name: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await openRegular(path, { follow: true });
  } catch (error) {
    const code = errnoOf(error) ?? (error instanceof KataError ? error.code : String(error));
    if (['host-file-unfit', 'EISDIR'].includes(code)) throw notAFile(path, name);
    if (error instanceof KataError) throw error;
    throw new KataError('bundle-missing', {
      subject: path,
      found: `${path} cannot be opened (${code})`,
      needed: 'an archive or a folder that can be read',
      next: `ls -l ${path}`,
      cause: error,
    });
  }
  if (file === undefined) throw notAFile(path, name);
  return file;
}

function notAFile(path: string, name: string): KataError {
  return new KataError('bundle-format', {
    subject: path,
    found: `${name} is neither a file nor a folder`,
    needed: `a file (${archiveNames}), or an unpacked folder`,
    next: 'save the archive to a file and name that',
  });
}
