import { createHash } from 'node:crypto';
import { httpsAddress } from './address.ts';
import { openKept } from './cache.ts';
import { certificates } from './certificates.ts';
import { isStale, refused } from './complaints.ts';
import { receive } from './received.ts';
import { type Download, type DownloadRequest, usualPatience } from './types.ts';

/**
 * Begins to download a file. Nothing of it is proven before its reader has compared the digest over all of it.
 * Throws `usage` for an address or a folder that cannot be used, `download-failed`, `download-refused`, `interrupted`.
 */
export async function download(request: DownloadRequest): Promise<Download> {
  const { address, digest, cacheDir, signal } = request;
  httpsAddress(address);
  const kept = cacheDir === undefined || digest === undefined ? undefined : await openKept(cacheDir, digest);
  try {
    const received = kept?.whole === true ? undefined : await receive(await asking(request), kept?.bytes ?? 0);
    const hash = createHash('sha256');
    const found = () => `sha256:${hash.copy().digest('hex')}` as const;
    return {
      get totalBytes() {
        return kept?.whole === true ? kept.bytes : received?.totalBytes();
      },
      async *pieces() {
        for await (const piece of kept?.read() ?? []) {
          hash.update(piece);
          yield piece;
        }
        try {
          for await (const piece of received?.pieces() ?? []) {
            await kept?.append(piece);
            hash.update(piece);
            yield piece;
          }
        } catch (error) {
          if (isStale(error)) await kept?.forget();
          throw error;
        }
        if (digest !== undefined) await (found() === digest ? kept?.finish() : kept?.forget());
      },
      digest: found,
      forget: async () => kept?.forget(),
      close: async () => {
        received?.close();
        await kept?.close();
      },
    };
  } catch (error) {
    if (isStale(error)) await kept?.forget();
    await kept?.close();
    throw error;
  }

  async function asking({ caFile, accept, credentials, patience = usualPatience, tell = () => undefined }: DownloadRequest) {
    return { address, accept, credentials, ca: await certificates(caFile), patience, signal, tell };
  }
}

/** The bytes of a file that is small. Throws as `download`, and `download-refused` for a file with more than `most` bytes. */
export async function downloadWhole(request: DownloadRequest, most: number): Promise<Buffer> {
  const source = await download(request);
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of source.pieces()) {
      bytes += piece.length;
      if (bytes > most)
        throw refused(request.address, `the file has more than ${most} bytes`, `at most ${most} bytes, as files of its kind have`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  } finally {
    await source.close();
  }
}
