import { chmod, constants, copyFile, type FileHandle, open, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { errnoOf, KataError } from '../../errors/index.ts';
import { byBytes, type Digest, type HeldFolder, type Host, type HostPath, piecesOf } from '../../host/index.ts';
import { damaged, digestsOf, type ImageManifest, readTrailer, requireSane, tryImage, unlike } from '../../images/index.ts';
import type { Emit } from '../../output/events.ts';
import type { Proof, Verifier } from '../../trust/types.ts';
import { ensureFolder, ensureStore } from '../folders.ts';
import { readPayload } from '../generations/index.ts';
import { extensionFolder, imageName, insideExtension, payloadFolder, stagingFolder } from '../paths.ts';
import { type PayloadManifest, schema } from '../types.ts';
import { isIntact } from './drift.ts';
import { extensionEntries, payloadOfRelease, textsOf } from './extension.ts';
import { payloadDigest } from './identity.ts';
import { writeTexts } from './image.ts';
import { noticesIn } from './notices.ts';
import { outOfSpace, requireStorable, type Staged, seal } from './stage.ts';

export interface ImageRequest {
  /** Real path on this machine. */
  file: string;
  /** What the file says of itself. */
  said: ImageManifest;
  digest: Digest | undefined;
  verifier?: Verifier | undefined;
  root: HostPath;
  emit: Emit;
  signal: AbortSignal;
}

/**
 * Copies an image that was made elsewhere into the staging folder and checks the copy: nothing but the copy counts, its manifest included.
 * Throws `bundle-digest`, `image-damaged`, `image-kernel`.
 */
export async function copyImage(host: Host, { file, said, digest, verifier, root, emit, signal }: ImageRequest): Promise<Staged> {
  requireSane(file, said, insideExtension);
  const staging = stagingFolder(root);
  await ensureStore(host, root).catch((error: unknown) => Promise.reject(outOfSpace(error, root)));
  const discard = () => host.removeTree(staging);
  let held: HeldFolder | undefined;
  try {
    await host.removeTree(staging);
    await ensureFolder(host, staging, 0o700);
    const whole = `${staging}/image`;
    await host.mkdir(whole, 0o755);
    emit({ kind: 'phase', name: 'unpack', detail: `copying ${basename(file)}` });
    held = await host.hold(whole);
    const copy = `${held.path}/${imageName}`;
    await host.failpoint('store/image/copy');
    const digests = await copied(file, copy, { startBytes: said.filesystem.sizeBytes, signal, verifier });
    await chmod(copy, 0o644);
    const manifest = await checked(host, { file, said, digest, root, digests, proof: verifier?.finish() });
    requireStorable(manifest);
    await requireSaid(copy, file, said);
    const stored = await readPayload(host, manifest.digest);
    const known = stored !== undefined && (await isIntact(host, stored, 'bytes'));
    // Also for an image that the store has already: the user who named this file is warned about its content.
    const mounted = await tryImage(host, await host.locate(`${whole}/${imageName}`), said.format, file);
    const drift = mounted === undefined ? undefined : unlike(said.contents, mounted);
    if (drift !== undefined) throw damaged(file, drift, 'do not use it; make one of the bundle: kata-sysext build BUNDLE -o FILE');
    await writeTexts(host, whole, said.texts, manifest);
    const tree = `${whole}/${insideExtension}`;
    const passing = known ? { bytes: manifest.image!.sizeBytes, entries: 1 } : { bytes: 0, entries: 0 };
    if (known) return { manifest: { ...stored, sources: manifest.sources }, tree, known, passing, discard, seal: discard };
    emit({ kind: 'phase', name: 'sync', detail: 'writing it to the disk' });
    await host.syncTree(whole);
    return { manifest, tree, known, passing, discard, seal: () => seal(host, { manifest, tree, whole: async () => whole }, discard) };
  } catch (error) {
    await discard().catch(() => undefined);
    throw outOfSpace(error, root);
  } finally {
    held?.close();
  }
}

/** Blocks are shared where the file system can; elsewhere the bytes are read once, and hashed while they are written. */
async function copied(
  file: string,
  copy: string,
  { startBytes, signal, verifier }: Pick<ImageRequest, 'signal' | 'verifier'> & { startBytes: number },
): Promise<{ whole: Digest; start: Digest }> {
  async function* bytesOf(path: string): AsyncGenerator<Buffer> {
    for await (const piece of piecesOf(path, { follow: true, signal })) {
      verifier?.update(piece);
      yield piece;
    }
  }
  try {
    await copyFile(file, copy, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return await digestsOf(bytesOf(copy), startBytes);
  } catch (error) {
    if (!noReflink.includes(errnoOf(error) ?? '')) throw error;
  }
  await rm(copy, { force: true });
  const onto = await open(copy, 'wx', 0o600);
  try {
    return await digestsOf(writing(bytesOf(file), onto), startBytes);
  } finally {
    await onto.close();
  }
}

/** What a kernel answers whose file systems cannot share blocks, or not these two. */
const noReflink = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'];

/** Hands each chunk on while it is written. */
async function* writing(bytes: AsyncIterable<Buffer>, onto: FileHandle): AsyncGenerator<Buffer> {
  let written: Promise<void> = Promise.resolve();
  for await (const chunk of bytes) {
    await written;
    written = onto.writeFile(chunk);
    // waited for above or below; until then no caller gets a failure
    written.catch(() => undefined);
    yield chunk;
  }
  await written;
}

/** Where FILE lies others may write: everything was planned with a manifest that was read before the copy, so the copy must have the same. */
async function requireSaid(copy: string, file: string, said: ImageManifest): Promise<void> {
  const own = await readTrailer(copy).catch((error: unknown) => (error instanceof KataError ? undefined : Promise.reject(error)));
  if (isDeepStrictEqual(own, said)) return;
  const found = 'its manifest changed between the first look at it and the copy';
  throw damaged(
    file,
    found,
    `look at who may write there: ls -la ${dirname(file)}; then repeat the command with the file in a folder of your own`,
  );
}

async function checked(
  host: Host,
  {
    file,
    said,
    digest,
    root,
    digests: { whole, start },
    proof,
  }: Omit<ImageRequest, 'emit' | 'signal' | 'verifier'> & { digests: { whole: Digest; start: Digest }; proof: Proof | undefined },
): Promise<PayloadManifest> {
  if (digest !== undefined && digest !== whole) throw wrongDigest(file, whole, digest);
  if (start !== said.filesystem.digest) throw damaged(file, `what is to be mounted has the digest ${start}, not ${said.filesystem.digest}`);
  const prefix = `${insideExtension}/`;
  const entries = said.contents
    .filter((entry) => entry.path.startsWith(prefix))
    .map(({ context: _, ...entry }) => ({ ...entry, path: entry.path.slice(prefix.length) }));
  const bound = payloadDigest(entries, said.format) === said.payload && payloadOfRelease(said.extensionRelease) === said.payload;
  const listed = said.contents.map(({ context: _, ...entry }) => entry).sort((a, b) => byBytes(a.path, b.path));
  const around = [...extensionEntries(said.extensionRelease, entries), ...noticesIn(listed)].sort((a, b) => byBytes(a.path, b.path));
  const isWhole = textsOf({ handlers: said.handlers, entries }).every((path) => said.texts[path] !== undefined);
  if (!bound || !isWhole || !isDeepStrictEqual(around, listed)) throw damaged(file, 'its manifest does not belong to its payload');
  const sizeBytes = (await host.stat(`${stagingFolder(root)}/image/${imageName}`))!.sizeBytes;
  const { release, handlers, defaultHandler, available, savedBytes, format } = said;
  return {
    schema,
    digest: said.payload,
    root,
    folder: payloadFolder(root, said.payload),
    extension: { folder: extensionFolder(root, said.payload), release: said.extensionRelease },
    image: { format, sizeBytes, digest: whole },
    release,
    sources: [{ name: basename(file), digest: whole, sizeBytes, ...(proof !== undefined && { proof }) }],
    handlers,
    defaultHandler,
    available,
    entries,
    sizeBytes: entries.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0),
    savedBytes,
  };
}

function wrongDigest(file: string, found: Digest, wanted: Digest): KataError {
  return new KataError('bundle-digest', {
    subject: basename(file),
    found: `${basename(file)} has the digest ${found}`,
    needed: `the digest ${wanted}`,
    next: 'fetch the image again; if the digest stays, do not trust its origin',
    details: { found, wanted },
  });
}
