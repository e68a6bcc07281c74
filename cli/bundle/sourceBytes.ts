import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { isAddress, requireName } from '../download/address.ts';
import { isOci, ociReference } from '../download/oci/reference.ts';
import type { DownloadRequest, Fetching } from '../download/types.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { openRegular } from '../host/regular.ts';
import { stopIfAsked } from '../host/stoppable.ts';
import type { Digest } from '../host/types.ts';
import type { ArchiveProver } from '../trust/types.ts';
import { archiveNames } from './formats.ts';

/** An archive that is read once, from its first byte to its last. */
export interface SourceBytes {
  name: string;
  /** Of an address it is what has come where the server does not say it. */
  readonly sizeBytes: number;
  /** The first 512 bytes, or fewer. */
  head: Buffer;
  /** With `fresh` each chunk is the reader's own; without it a chunk is overwritten two chunks later. */
  chunks(fresh: boolean): AsyncGenerator<Buffer, void>;
  /** Over the bytes that `chunks` gave; call it after the last. */
  digest(): Digest;
  /** The reader found that these bytes are no release: nothing keeps them. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

export interface Watch {
  onBytes?: (bytes: number) => void;
  /** Of an address, as soon as the server says it. */
  onSize?: (bytes: number) => void;
  /** Gets what goes wrong and is tried again. */
  onNote?: (text: string) => void;
  /** Sees each piece of the source's own bytes, in order. */
  onPiece?: ((piece: Buffer) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** How addresses are downloaded, and the digest that the source has to have. */
  fetching?: Fetching | undefined;
  wanted?: Digest | undefined;
  /** See `BundleRequest`. */
  prover?: ArchiveProver | undefined;
}

const chunkBytes = 1 << 20;
const headBytes = 512;

/** Throws `bundle-missing` when it cannot be read, `bundle-format` when it is no file; for an address the codes of `download`. */
export async function openSource(path: string, watch: Watch = {}): Promise<SourceBytes> {
  return isAddress(path) ? openAddress(path, watch) : openPath(path, watch);
}

async function openPath(path: string, watch: Watch): Promise<SourceBytes> {
  const name = basename(path);
  const file = await openFile(path, name);
  try {
    const stat = await file.stat();
    const head = Buffer.alloc(headBytes);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const hash = createHash('sha256');
    return {
      name,
      sizeBytes: stat.size,
      head: head.subarray(0, bytesRead),
      chunks: (fresh) => readChunks(file, fresh, watch, (chunk) => hash.update(chunk)),
      digest: () => `sha256:${hash.digest('hex')}`,
      forget: async () => undefined,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A file that is read while it comes; nothing of it has to lie on a disk. */
async function openAddress(address: string, watch: Watch): Promise<SourceBytes> {
  // Loaded for an address only: everything else starts without TLS.
  const { download } = await import('../download/index.ts');
  const name = isOci(address) ? basename(address) : requireName(address);
  const source = await download(await requestFor(address, watch));
  try {
    if (source.totalBytes !== undefined) watch.onSize?.(source.totalBytes);
    const pieces = source.pieces();
    const first: Buffer[] = [];
    let read = 0;
    for (let ended = false; read < headBytes && !ended; ) {
      const { done, value } = await pieces.next();
      ended = done === true;
      if (value === undefined) continue;
      first.push(value);
      read += value.length;
    }
    async function* chunks(): AsyncGenerator<Buffer, void> {
      yield* first.splice(0);
      for await (const piece of pieces) {
        read += piece.length;
        yield piece;
      }
    }
    return {
      name,
      get sizeBytes() {
        return source.totalBytes ?? read;
      },
      head: Buffer.concat(first).subarray(0, headBytes),
      chunks: () => watched(chunks(), watch),
      digest: source.digest,
      forget: source.forget,
      close: source.close,
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** An artefact of a registry is there under the digest of its layer, which its manifest gave. */
async function requestFor(address: string, { fetching, wanted, signal, onNote }: Watch): Promise<DownloadRequest> {
  const request = { ...fetching, address, digest: wanted, signal, tell: onNote };
  if (!isOci(address) || wanted === undefined) return request;
  const { layerRequest } = await import('../download/oci/index.ts');
  const reference = ociReference(address, (path) => path);
  return reference.kind === 'registry' ? layerRequest(reference, wanted, request) : request;
}

async function* watched(chunks: AsyncIterable<Buffer>, { signal, onBytes, onPiece }: Watch): AsyncGenerator<Buffer, void> {
  for await (const chunk of chunks) {
    stopIfAsked(signal);
    onPiece?.(chunk);
    onBytes?.(chunk.length);
    yield chunk;
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
      watch.onPiece?.(chunk);
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
      next: `ls -l ${commandWord(path)}`,
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
