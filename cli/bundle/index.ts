import { stat } from 'node:fs/promises';
import { isAddress } from '../download/address.ts';
import { KataError } from '../errors/index.ts';
import { stopIfAsked } from '../host/stoppable.ts';
import type { Digest } from '../host/types.ts';
import { readArchive } from './archive.ts';
import { digestOfFolder, readFolder, sizeOfFolder } from './folder.ts';
import { countOf } from './limits.ts';
import { checkLinks, modeOf } from './memberRules.ts';
import { orMixed, refuseMixed } from './mixed.ts';
import type { Receiver } from './receive.ts';
import { openSource, type Watch } from './sourceBytes.ts';
import { emptyTree } from './tree.ts';
import type { Bundle, BundleRequest, SourceRecord, TreeEntry } from './types.ts';
import { writerInto } from './writer.ts';

export { isSavedBundle } from './archive.ts';
export { decompressed } from './decompress.ts';
export { kindOf, machineOf, type ReadAt } from './elf.ts';
export type { Bundle, BundleRequest, SourceRecord, TreeEntry } from './types.ts';

const emitEveryMs = 100;

/**
 * Unpacks one or several sources of a release into `request.into`, in one pass, checking every member before it is written.
 * Throws the codes of the bundle (exit 4), `host-program-missing`, `host-space`, `interrupted`; then `into` holds rubbish.
 */
export async function readBundles(request: BundleRequest): Promise<Bundle> {
  const receiver = receiverFor(request);
  const onBytes = await progress(request);
  const sources: SourceRecord[] = [];
  for (const [index, path] of request.sources.entries()) {
    const read = (await isFolder(path)) ? readFolder : readArchive;
    const wanted = request.digests?.[index];
    const watch = { signal: request.signal };
    const { fetching } = request;
    const verifier = request.verifiers?.[index];
    const prover = request.provers?.[index];
    // Its bytes are no stream: a signature would be verified over nothing.
    if ((verifier ?? prover) !== undefined && read === readFolder) throw new Error('a folder has no signature');
    const source = await read(path, index, receiver, { ...onBytes, ...watch, fetching, wanted, prover, onPiece: verifier?.update })
      .catch((error: unknown) => orWrongDigest(error, path, wanted, watch))
      .catch((error: unknown) => orMixed(error, { path, index, receiver, sources, watch }));
    checkDigest(source, wanted);
    sources.push(verifier === undefined ? source : { ...source, proof: verifier.finish() });
    const names = [...sources.map(({ name }, at): [number, string] => [at, name]), ...receiver.savedNames];
    refuseMixed(names.map(([at, name]) => ({ name, version: receiver.versions.get(at) })));
  }
  onBytes.end();
  const names = sources.map((source) => source.name).join(', ');
  if (receiver.tree.places.size === 0) throw noRelease(names);
  checkLinks(receiver.tree.listing, names);
  receiver.writer.finish((folder) => folderMode(receiver, folder));
  return bundleOf(receiver, sources);
}

/** The digest that `readBundles` would record for a source: of an archive's bytes, or of a folder's listing with its contents. */
export async function digestOfSource(path: string, watch: Watch = {}): Promise<Digest> {
  if (await isFolder(path)) return await digestOfFolder(path, watch);
  const bytes = await openSource(path, watch);
  try {
    for await (const _ of bytes.chunks(false));
    return bytes.digest();
  } finally {
    await bytes.close();
  }
}

function receiverFor({ into, keep, tell = () => false, haveRoom }: BundleRequest): Receiver {
  return {
    tree: emptyTree(),
    writer: writerInto(into, haveRoom),
    keep,
    tell,
    entries: new Map(),
    machines: new Map(),
    services: new Map(),
    versions: new Map(),
    savedNames: new Map(),
    texts: new Map(),
    textCount: countOf('the bundle'),
    skippedFiles: 0,
    skippedBytes: 0,
  };
}

function bundleOf(receiver: Receiver, sources: SourceRecord[]): Bundle {
  const { tree, writer, entries, machines, services, texts, versions, skippedFiles, skippedBytes } = receiver;
  const [version] = versions.values();
  const folders = [...writer.folders].map((path): TreeEntry => ({ path, kind: 'directory', mode: folderMode(receiver, path) }));
  return {
    sources,
    entries: [...entries.values(), ...folders].sort((a, b) => (a.path < b.path ? -1 : 1)),
    listing: tree.listing,
    version,
    machines,
    services,
    texts,
    skippedFiles,
    skippedBytes,
  };
}

function folderMode(receiver: Receiver, folder: string): number {
  return receiver.tree.places.get(folder)?.mode ?? modeOf('directory', 0o755);
}

async function progress({
  sources,
  emit,
  signal,
}: BundleRequest): Promise<Required<Pick<Watch, 'onBytes' | 'onSize' | 'onNote'>> & { end(): void }> {
  let totalBytes = 0;
  for (const source of sources) totalBytes += await sizeOf(source, signal);
  let unknown = sources.filter(isAddress).length;
  let doneBytes = 0;
  let last = 0;
  const tell = () => emit({ kind: 'bytes', name: 'unpack', doneBytes, ...(unknown === 0 && { totalBytes }) });
  return {
    onBytes(bytes) {
      doneBytes += bytes;
      const now = performance.now();
      if (now - last < emitEveryMs) return;
      last = now;
      tell();
    },
    onSize(bytes) {
      unknown--;
      totalBytes += bytes;
    },
    onNote: (text) => emit({ kind: 'warning', text }),
    end: tell,
  };
}

/** An address says its size when it answers. */
async function sizeOf(source: string, signal: AbortSignal | undefined): Promise<number> {
  if (isAddress(source)) return 0;
  return (await isFolder(source)) ? sizeOfFolder(source, { signal }) : ((await stat(source).catch(() => undefined))?.size ?? 0);
}

function checkDigest(source: SourceRecord, wanted: Digest | undefined): void {
  if (wanted === undefined || wanted === source.digest) return;
  throw new KataError('bundle-digest', {
    subject: source.name,
    found: `${source.name} has the digest ${source.digest}`,
    needed: `the digest ${wanted}`,
    next: 'fetch the archive again; if the digest stays, do not trust its origin',
    details: { found: source.digest, wanted },
  });
}

/** A file that is not the one that was asked for is reported as such, whatever else is wrong with it. */
async function orWrongDigest(error: unknown, path: string, wanted: Digest | undefined, watch: Watch): Promise<never> {
  if (wanted !== undefined && !isAddress(path) && error instanceof KataError && error.exitCode === 4 && error.code !== 'bundle-missing') {
    const found = await digestOfSource(path, watch).catch(() => undefined);
    stopIfAsked(watch.signal);
    if (found !== undefined) checkDigest({ name: path.slice(path.lastIndexOf('/') + 1), digest: found, sizeBytes: 0 }, wanted);
  }
  throw error;
}

async function isFolder(path: string): Promise<boolean> {
  return !isAddress(path) && (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

function noRelease(names: string): KataError {
  return new KataError('bundle-layout', {
    subject: names,
    found: `there is nothing below opt/kata in ${names}`,
    needed: 'a release archive of Kata Containers',
    next: 'name kata-static-VERSION-ARCH.tar.zst or kata-go-static-VERSION-ARCH.tar.zst',
  });
}
