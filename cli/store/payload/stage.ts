import { posix } from 'node:path';
import type { SourceRecord } from '../../bundle/index.ts';
import type { OwnRequest, PayloadHandler } from '../../components/types.ts';
import { isAddress, nameIn } from '../../download/address.ts';
import type { Fetching } from '../../download/types.ts';
import { errnoOf, KataError, pathWord } from '../../errors/index.ts';
import type { Architecture } from '../../facts/index.ts';
import { byBytes, type Digest, type Host, type HostPath, undisturbed } from '../../host/index.ts';
import type { Format } from '../../images/types.ts';
import type { Layout } from '../../layout/index.ts';
import type { Emit } from '../../output/events.ts';
import type { ArchiveProver, Verifier } from '../../trust/types.ts';
import { ensureFolder, ensureStore } from '../folders.ts';
import { readPayload } from '../generations/index.ts';
import { documentText, readable, writeJson } from '../json.ts';
import { damagedPayload, extensionFolder, payloadFolder, payloadManifest, stagingFolder } from '../paths.ts';
import { type PayloadManifest, payloadManifestShape, schema } from '../types.ts';
import { isIntact } from './drift.ts';
import { releaseText, wholePayload, wrapExtension } from './extension.ts';
import { payloadDigest } from './identity.ts';
import { labelPayload } from './labels.ts';

export interface PayloadRequest {
  /** Real paths on this machine, and https addresses. */
  sources: string[];
  digests: (Digest | undefined)[];
  fetching?: Fetching | undefined;
  verifiers?: (Verifier | undefined)[] | undefined;
  provers?: (ArchiveProver | undefined)[] | undefined;
  /** Handler names as the user wrote them; undefined: the release's default. */
  handlers: string[] | undefined;
  architecture: Architecture;
  /** Handlers with files of the user. */
  own?: OwnRequest[] | undefined;
  root: HostPath;
  format: Format;
  /** Of an image: the time of everything in it, in seconds. */
  epoch?: number;
  /**
   * Asked while files are unpacked, once all are, and before an image is made of them, with the bytes that come next, or the most that these
   * can be. It throws where too little room is left then.
   */
  haveRoom?(moreBytes: number): Promise<void>;
  emit: Emit;
  signal: AbortSignal;
}

/** A payload that is whole but not yet part of the store. */
export interface Staged {
  manifest: PayloadManifest;
  /** Where the release's tree is until it is sealed or discarded. */
  tree: HostPath;
  /** True when the store has these bytes already. */
  known: boolean;
  /** What the staging folder has or had that does not become part of the store. */
  passing: { bytes: number; entries: number };
  /** Of an image that was made now: the folder that has it until then. */
  whole?: HostPath;
  /** Moves it into the store: only now can a generation name it. */
  seal(): Promise<void>;
  discard(): Promise<void>;
}

/** Unpacks, checks and lays out a release in a staging folder. After a crash that folder is rubbish, and the clean-up removes it. */
export async function stagePayload(host: Host, request: PayloadRequest): Promise<Staged> {
  const staging = stagingFolder(request.root);
  const tree = `${staging}/tree`;
  const discard = () => host.removeTree(staging);
  // Nothing is removed from a folder that is refused as the store.
  await ensureStore(host, request.root).catch((error: unknown) => Promise.reject(outOfSpace(error, request.root)));
  try {
    await host.removeTree(staging);
    await ensureFolder(host, staging, 0o700);
    await host.mkdir(tree, 0o755);
    const { manifest: fresh, unpacked } = await unpack(host, request, tree);
    const stored = await readPayload(host, fresh.digest);
    const known = stored !== undefined && (await isIntact(host, stored, 'bytes'));
    const manifest = known ? placeOf(fresh, stored) : fresh;
    if (stored === undefined) await refuseForeignFiles(host, wholePayload(manifest).folder);
    if (known) return { manifest, tree, known, passing: unpacked, discard, seal: discard };
    if (request.format !== 'directory') await request.haveRoom?.(unpacked.bytes);
    const passing = request.format === 'directory' ? less(unpacked, manifest) : unpacked;
    const placed =
      request.format === 'directory' ? placeFolder(host, manifest, staging) : await placeImage(host, manifest, staging, request);
    const made = placed.manifest.image === undefined ? {} : { whole: await placed.whole() };
    requireStorable(placed.manifest);
    return { manifest: placed.manifest, tree: placed.tree, known, passing, discard, ...made, seal: () => seal(host, placed, discard) };
  } catch (error) {
    await discard().catch(() => undefined);
    throw outOfSpace(error, request.root);
  }
}

/** The list of its files has to be read again by every later change. Throws `bundle-too-large`. */
export function requireStorable(manifest: PayloadManifest): void {
  try {
    documentText(payloadManifestShape, manifest);
  } catch (cause) {
    const [said, names] = [cause instanceof Error ? cause.message : String(cause), manifest.sources.map(({ name }) => name).join(', ')];
    throw new KataError('bundle-too-large', {
      subject: names,
      found: `${names}: the list of its ${manifest.entries.length} files cannot be kept: ${said}`,
      needed: 'a release of Kata, whose list has about 500 KB',
      next: 'use an archive as the Kata project publishes it',
      cause,
    });
  }
}

/** Files that were unpacked and that no handler needs in the end. */
function less(unpacked: Staged['passing'], { entries, sizeBytes }: PayloadManifest): Staged['passing'] {
  return { bytes: Math.max(0, unpacked.bytes - sizeBytes), entries: Math.max(0, unpacked.entries - entries.length) };
}

/** What the store has stays where it is. */
function placeOf(fresh: PayloadManifest, { root, folder, extension, image }: PayloadManifest): PayloadManifest {
  return { ...fresh, root, folder, extension, image };
}

/** What `seal` puts in place. */
export interface Placed {
  manifest: PayloadManifest;
  /** Where the release's tree is until then. */
  tree: HostPath;
  /** Makes the folder to rename, and gives it. */
  whole(): Promise<HostPath>;
}

function placeFolder(host: Host, manifest: PayloadManifest, staging: HostPath): Placed {
  const tree = `${staging}/tree`;
  const wrapped = `${staging}/extension`;
  const whole = async () => {
    await wrapExtension(host, tree, wrapped, manifest.extension.release);
    return wrapped;
  };
  return { manifest, tree, whole };
}

async function placeImage(host: Host, manifest: PayloadManifest, staging: HostPath, request: PayloadRequest): Promise<Placed> {
  const { format, architecture, emit, epoch = 0 } = request;
  if (format === 'directory') return placeFolder(host, manifest, staging);
  emit({ kind: 'phase', name: 'image', detail: `making an image (${format})` });
  const { packImage } = await import('./image.ts');
  const { whole, ...packed } = await packImage(host, manifest, { format, architecture, staging, epoch });
  return { ...packed, whole: async () => whole };
}

interface Unpacked {
  manifest: PayloadManifest;
  unpacked: Staged['passing'];
}

async function unpack(host: Host, request: PayloadRequest, tree: HostPath): Promise<Unpacked> {
  const held = await host.hold(tree);
  try {
    return await unpackInto(host, request, tree, held.path);
  } finally {
    held.close();
  }
}

/** `into`: the folder by its descriptor, which stays the same where another program renames a folder above it. */
async function unpackInto(host: Host, request: PayloadRequest, tree: HostPath, into: string): Promise<Unpacked> {
  const { architecture, emit, handlers, signal } = request;
  // Loaded when it is needed: `status` reads the store without them.
  const [{ readBundles }, { keepFor, layOut }, { arrangeTree, kindOfFile, stringsIn }, { addComponents, componentBytes }] =
    await Promise.all([
      import('../../bundle/index.ts'),
      import('../../layout/index.ts'),
      import('./unpacked.ts'),
      import('./components.ts'),
    ]);
  await host.failpoint('store/unpack/before');
  emit({
    kind: 'phase',
    name: 'unpack',
    detail: `unpacking ${request.sources.map((path) => (isAddress(path) ? nameIn(path) : posix.basename(path))).join(', ')}`,
  });
  const bundle = await readBundles({
    sources: request.sources,
    digests: request.digests,
    fetching: request.fetching,
    verifiers: request.verifiers,
    provers: request.provers,
    into,
    keep: keepFor(handlers, architecture),
    haveRoom: request.haveRoom?.bind(request),
    emit,
    signal,
  });
  await host.failpoint('store/unpack/after');
  const { own = [] } = request;
  await request.haveRoom?.(await componentBytes(host, own));
  const released = await layOut({
    bundle,
    wanted: handlers,
    arch: architecture,
    readText: async (path) => (await host.readFile(`${tree}/${path}`)).toString(),
    contains: (path, needles) => stringsIn(posix.join(into, path), needles, signal),
    kindOf: (path) => kindOfFile(posix.join(into, path)),
  });
  await arrangeTree(host, released, tree, into);
  const layout = await addComponents(host, released, { requests: own, tree, into, architecture, emit, signal });
  // Of an image only the image is kept.
  if (request.format === 'directory') {
    emit({ kind: 'phase', name: 'sync', detail: 'writing it to the disk' });
    await host.syncFileSystem(tree);
  }
  await host.failpoint('store/synced');
  const added = layout.entries.slice(released.entries.length);
  const bytes = [...bundle.entries, ...added].reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
  const entries = bundle.entries.length + added.length;
  return { manifest: await describe(host, layout, bundle.sources, request), unpacked: { bytes, entries } };
}

async function describe(
  host: Host,
  layout: Layout<PayloadHandler>,
  sources: SourceRecord[],
  { root, architecture, format }: PayloadRequest,
): Promise<PayloadManifest> {
  const entries = [...layout.entries].sort((a, b) => byBytes(a.path, b.path));
  const digest = payloadDigest(entries, format);
  return {
    schema,
    digest,
    root,
    folder: payloadFolder(root, digest),
    extension: { folder: extensionFolder(root, digest), release: await releaseText(host, architecture, digest) },
    release: layout.version,
    sources,
    handlers: layout.handlers,
    defaultHandler: layout.defaultHandler,
    available: layout.available,
    entries,
    sizeBytes: entries.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0),
    savedBytes: layout.savedBytes,
  };
}

/** Puts what is staged into the store. A signal does not cut it off: there is a moment without the payload that pods run from. */
export function seal(host: Host, placed: Placed, discard: () => Promise<void>): Promise<void> {
  return undisturbed(host, () => putIntoStore(host, placed, discard));
}

async function putIntoStore(host: Host, { manifest, ...placed }: Placed, discard: () => Promise<void>): Promise<void> {
  await host.failpoint('store/seal/before');
  const { folder } = wholePayload(manifest);
  const whole = await placed.whole();
  // The manifest first: a tree without one never counts as kata-sysext's.
  await writeJson(host, payloadManifest(manifest.digest), payloadManifestShape, manifest, readable);
  await host.failpoint('store/seal/between');
  // A damaged payload of the same digest is moved and stays until the new one is in its place: pods run from it.
  const aside = damagedPayload(folder);
  if ((await host.lstat(folder)) !== undefined) {
    await host.removeTree(aside);
    await host.rename(folder, aside);
    await host.failpoint('store/seal/aside');
  }
  await host.rename(whole, folder);
  await host.failpoint('store/seal/placed');
  await labelPayload(host, manifest);
  await host.removeTree(aside);
  await host.failpoint('store/seal/after');
  await discard();
}

/** What an earlier uninstall left at this place belongs to another program or user. */
async function refuseForeignFiles(host: Host, folder: HostPath): Promise<void> {
  const [first] = await host.readdir(folder);
  if (first === undefined) return;
  throw new KataError('foreign-file', {
    subject: folder,
    found: `${folder} has files of another program or user (${first})`,
    needed: 'a free place for the payload',
    next: `look at them and move them away: ls -lR ${pathWord(host, folder)}`,
  });
}

/** An error of a full disk as the user shall read it; any other one as it is. */
export function outOfSpace(error: unknown, root: HostPath): unknown {
  const cause = error instanceof KataError ? error.complaint.cause : error;
  if (errnoOf(cause) !== 'ENOSPC' && errnoOf(cause) !== 'EDQUOT') return error;
  return new KataError('host-space', {
    subject: root,
    found: `the file system of ${root} ran full while unpacking`,
    needed: 'room for the unpacked files of the wanted handlers',
    next: `free some: df -h ${root}`,
    cause,
  });
}
