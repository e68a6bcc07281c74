import type { FileHandle } from 'node:fs/promises';
import { isAliasName, type Own } from '../components/index.ts';
import { parseJson } from '../documents/index.ts';
import { misplaced } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { digestOf, openRegular } from '../host/index.ts';
import { handlerTable, installedName } from '../layout/index.ts';
import { strayLink } from './links.ts';
import { type ImageManifest, imageManifestShape } from './types.ts';

/** The one schema of an image's manifest that this program writes and reads. */
export const imageSchema = 1;

/** Whole blocks: a loop device shows no part of a sector. */
const blockBytes = 4096;
const footerBytes = 256;
const footer = /^kata-sysext-image 1 (\d{1,15}) (\d{1,9}) (sha256:[0-9a-f]{64})\n\0*$/;
const maxBytes = 64 << 20;

/**
 * What is put behind a file system of `sizeBytes` to make it tell what it is: its manifest as JSON, and in the last bytes of the file where
 * that begins, how long it is, and its digest. The kernel and blkid read what the superblock says and no further.
 */
export function trailerOf(manifest: ImageManifest): Buffer {
  const start = rounded(manifest.filesystem.sizeBytes);
  const json = Buffer.from(`${JSON.stringify(manifest)}\n`);
  const end = Buffer.alloc(footerBytes);
  end.write(`kata-sysext-image 1 ${start} ${json.length} ${digestOf(json)}\n`);
  const total = rounded(start + json.length + footerBytes);
  const gap = Buffer.alloc(start - manifest.filesystem.sizeBytes);
  return Buffer.concat([gap, json, Buffer.alloc(total - start - json.length - footerBytes), end]);
}

/** The manifest of an image file (a real path); undefined when the file has none. Throws `image-damaged`, `image-newer`. */
export async function readTrailer(path: string): Promise<ImageManifest | undefined> {
  // What is no file is no image, whatever else it is.
  const file = await openRegular(path, { follow: true }).catch(unlessUnfit);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    if (size < footerBytes) return undefined;
    const end = await bytesAt(file, size - footerBytes, footerBytes);
    const [, start = '', length = '', digest] = footer.exec(end.toString('latin1')) ?? [];
    if (digest === undefined) return undefined;
    if (Number(length) > maxBytes || Number(start) + Number(length) + footerBytes > size)
      throw damaged(path, 'its manifest lies outside of it');
    const json = await bytesAt(file, Number(start), Number(length));
    if (digestOf(json) !== digest) throw damaged(path, 'its manifest has another digest than the file says');
    return manifestIn(path, json.toString());
  } finally {
    await file.close();
  }
}

/** Its digest says that it is whole, not who wrote it. */
function manifestIn(path: string, json: string): ImageManifest {
  const manifest = parsed(path, json);
  const schema = typeof manifest === 'object' && manifest !== null && 'schema' in manifest ? manifest.schema : undefined;
  if (typeof schema !== 'number') throw damaged(path, 'its manifest names no schema');
  if (schema > imageSchema) throw newer(path, schema);
  if (schema !== imageSchema)
    throw damaged(path, `its manifest has schema ${schema}, and no version wrote another one than ${imageSchema}`);
  const wrong = misplaced(imageManifestShape, manifest);
  if (wrong !== undefined) throw damaged(path, `its manifest lacks ${JSON.stringify(wrong.at)}, or has something else there`);
  return manifest as ImageManifest;
}

/** Its texts are whole configurations, so that it may be larger than a state file. */
function parsed(path: string, json: string): unknown {
  try {
    return parseJson(json, { maxBytes: maxBytes });
  } catch (error) {
    throw damaged(path, `its manifest cannot be read: ${(error as Error).message}`);
  }
}

function unlessUnfit(error: unknown): undefined {
  if (!(error instanceof KataError) || error.code !== 'host-file-unfit') throw error;
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function rounded(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

export function damaged(path: string, found: string, next = 'fetch it again, and name its digest with --digest'): KataError {
  return new KataError('image-damaged', {
    subject: path,
    found: `${path}: ${found}`,
    needed: 'the image as kata-sysext build made it',
    next,
  });
}

function newer(path: string, schema: number): KataError {
  return new KataError('image-newer', {
    subject: path,
    found: `${path} has a manifest of schema ${schema}`,
    needed: `schema ${imageSchema}, the only one that this program reads`,
    next: 'use the newer kata-sysext that made it',
  });
}

const plainPath = /^(?!\.{1,2}(\/|$))[^/\0]+(\/(?!\.{1,2}(\/|$))[^/\0]+)*$/;

/**
 * Refuses a manifest whose names or links would lead out of kata-sysext's folders, whose files no archive may have, whose handlers are none, or
 * whose texts are not the files of the image that they are copies of: what it says is written to the host. `inside` is where the release's
 * tree is in the image. Throws `image-damaged`.
 */
export function requireSane(path: string, manifest: ImageManifest, inside: string): void {
  const files = new Set(manifest.contents.map((entry) => entry.path));
  const wrong =
    manifest.contents.find((entry) => !plainPath.test(entry.path) || !isPlain(entry))?.path ??
    strayLink(manifest.contents, inside) ??
    Object.keys(manifest.texts).find((text) => !files.has(`${inside}/${text}`)) ??
    manifest.handlers.find((handler) => !isKnown(handler, manifest) || !files.has(`${inside}/${handler.shim}`))?.name ??
    manifest.handlers.find(({ own }) => own !== undefined && !areOf(own, manifest, inside))?.name ??
    manifest.handlers.find(({ configuration }) => manifest.texts[configuration] === undefined)?.configuration;
  if (wrong !== undefined) throw damaged(path, `its manifest names ${JSON.stringify(wrong)}, which cannot be`);
  const digests = new Map(manifest.contents.map((entry) => [entry.path, entry.digest]));
  const other = Object.entries(manifest.texts).find(([name, text]) => digests.get(`${inside}/${name}`) !== digestOf(text));
  if (other !== undefined)
    throw damaged(path, `the text of ${JSON.stringify(other[0])} in its manifest is not the file that its contents list`);
}

/** As the members of an archive have to be: no set-id bits, nothing that others may write. */
function isPlain({ kind, mode }: ImageManifest['contents'][number]): boolean {
  return kind === 'symlink' || ((kind === 'file' || kind === 'directory') && (mode & ~0o755) === 0);
}

/** A handler with files of a user has a name of its own, and all else of one that the image has. */
function isKnown({ name, release, family, own }: ImageManifest['handlers'][number], { handlers }: ImageManifest): boolean {
  const isOf = (base: string) =>
    handlerTable.handlers.some((row) => row.name === release && installedName(row.name) === base && row.family === family);
  if (own === undefined) return isOf(name);
  const isFree = isAliasName(name) && handlers.filter((each) => each.name === name).length === 1;
  return isFree && isOf(own.base) && handlers.some((each) => each.name === own.base && each.own === undefined);
}

function areOf({ files }: Own, { contents }: ImageManifest, inside: string): boolean {
  return files.every(({ path, digest, sizeBytes, place }) =>
    contents.some(
      (entry) => place === undefined && entry.path === `${inside}/${path}` && entry.digest === digest && entry.sizeBytes === sizeBytes,
    ),
  );
}
