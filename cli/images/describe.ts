import { createHash, type Hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Own } from '../components/types.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { type Digest, piecesOf } from '../host/index.ts';
import { damaged, readTrailer } from './trailer.ts';
import type { ImageManifest, Labelled } from './types.ts';

/** What `inspect` prints about an image: the JSON kind Image. */
export interface Image {
  file: string;
  sizeBytes: number;
  /** Of the whole file: what `install --digest` takes. */
  digest: Digest;
  format: ImageManifest['format'];
  /** How the bytes are protected where they are mounted; images are not signed yet. */
  protection: 'none';
  payload: Digest;
  architecture: string;
  release: string;
  handlers: { name: string; family: 'go' | 'rust'; hypervisor: string; own?: Own | undefined }[];
  defaultHandler: string;
  sources: ImageManifest['sources'];
  /** Regular files in it, and their bytes before compression. */
  files: number;
  contentBytes: number;
  extensionRelease: string;
  epoch: number;
  tool: string;
  program: string;
  /** Every entry, on request. */
  contents?: Labelled[];
}

/**
 * Reads an image file (a real path) once, whole, and checks that it is as it was made. Throws `bundle-missing`, `image-unknown`,
 * `image-damaged`, `image-newer`.
 */
export async function readImage(path: string): Promise<{ manifest: ImageManifest; image: Image }> {
  const manifest = await manifestOf(path);
  const { sizeBytes, digest } = manifest.filesystem;
  const { whole, start } = await digestsOf(piecesOf(path, { follow: true }), sizeBytes);
  if (start !== digest) throw damaged(path, `its first ${sizeBytes} bytes have the digest ${start}, not ${digest}`);
  return { manifest, image: describeImage(path, { sizeBytes: (await stat(path)).size, digest: whole }, manifest) };
}

/** The digest of a file's bytes, and that of the first of them, in one pass. */
export async function digestsOf(bytes: AsyncIterable<Buffer>, startBytes: number): Promise<{ whole: Digest; start: Digest }> {
  const hash = createHash('sha256');
  let left = startBytes;
  let start: Hash | undefined;
  for await (const chunk of bytes) {
    const head = chunk.subarray(0, left);
    hash.update(head);
    left -= head.length;
    if (left === 0 && start === undefined) start = hash.copy();
    hash.update(chunk.subarray(head.length));
  }
  return { whole: `sha256:${hash.copy().digest('hex')}`, start: `sha256:${(start ?? hash).digest('hex')}` };
}

async function manifestOf(path: string): Promise<ImageManifest> {
  try {
    const manifest = await readTrailer(path);
    if (manifest !== undefined) return manifest;
  } catch (cause) {
    if (cause instanceof KataError || errnoOf(cause) === undefined) throw cause;
    throw new KataError('bundle-missing', {
      subject: path,
      found: `${path} cannot be read (${errnoOf(cause)})`,
      needed: 'an image that kata-sysext build made',
      next: `ls -l ${commandWord(path)}`,
      cause,
    });
  }
  throw new KataError('image-unknown', {
    subject: path,
    found: `${basename(path)} does not end as an image that kata-sysext made`,
    needed: 'an image of kata-sysext build, whole',
    next: 'if it was one, it was cut off: fetch it again',
  });
}

/** An image file whose size and digest are known. */
export function describeImage(path: string, { sizeBytes, digest }: Pick<Image, 'sizeBytes' | 'digest'>, manifest: ImageManifest): Image {
  const { format, payload, architecture, release, handlers, defaultHandler, sources, extensionRelease, epoch, tool, program } = manifest;
  const files = manifest.contents.filter(({ kind }) => kind === 'file');
  return {
    file: path,
    sizeBytes,
    digest,
    format,
    protection: 'none',
    payload,
    architecture,
    release,
    handlers: handlers.map(({ name, family, hypervisor, own }) => ({ name, family, hypervisor, own })),
    defaultHandler,
    sources,
    files: files.length,
    contentBytes: files.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0),
    extensionRelease,
    epoch,
    tool,
    program,
  };
}
