import type { Bundle, TreeEntry } from '../bundle/types.ts';
import { KataError } from '../errors/index.ts';
import { protocolOf } from '../shims/index.ts';
import { has, releaseOf, requireMachine, requireParts, requireUnpacked, unpackedOf } from './checks.ts';
import { closureOf, missingFrom, qemuParts } from './closure.ts';
import { gather, resolve } from './resolve.ts';
import { type Architecture, type HandlerRow, handlerRow, handlerTable, installedName, qemuTable } from './tables.ts';
import type { LaidHandler, Layout } from './types.ts';

export interface LayOutInput {
  bundle: Bundle;
  /** Handlers by either name; without them the release's default. */
  wanted?: string[] | undefined;
  arch: Architecture;
  /** The text of an unpacked file. */
  readText(path: string): Promise<string> | string;
  /** Which of the needles occur in the bytes of an unpacked file. */
  contains(path: string, needles: string[]): Promise<string[]> | string[];
}

const always = ['VERSION', 'versions.yaml'];

/**
 * Chooses what of an unpacked release stays, and for which handlers.
 * Throws `bundle-layout`, `bundle-lacks-handler`, `bundle-no-shim`, `bundle-incomplete`, `bundle-configuration`, `handler-unknown`, `host-architecture`.
 */
export async function layOut(input: LayOutInput): Promise<Layout> {
  const { bundle, arch } = input;
  const release = releaseOf(bundle);
  const byDefault = defaultRow(bundle, arch);
  const rows = [...new Set(input.wanted === undefined ? [byDefault] : input.wanted.map(handlerRow))];
  requireParts(bundle, rows, arch);
  const links = new Map<string, string>();
  const handlers: LaidHandler[] = [];
  for (const row of rows) handlers.push(await layHandler(input, row, links));
  const keep = new Set(always.filter((path) => bundle.listing.has(path)));
  for (const handler of handlers) for (const file of handler.files) if (!links.has(file)) keep.add(file);
  keepDefaultLinks(bundle, keep);
  const { entries, dropped, droppedBytes } = split(bundle, keep);
  return {
    version: release,
    defaultHandler: installedName(byDefault.name),
    handlers,
    available: await availableOf(input),
    entries: [...entries, ...addedEntries(entries, links)].sort((a, b) => byName(a.path, b.path)),
    dropped,
    savedBytes: bundle.skippedBytes + droppedBytes,
  };
}

/** The release's default handler: where its own link points, else the first candidate whose configuration is there. Throws `bundle-layout`. */
export function defaultRow(bundle: Bundle, arch: Architecture): HandlerRow {
  const { links, candidates } = handlerTable.defaults;
  const fitting = candidates.map(handlerRow).filter((row) => row.architectures.includes(arch) && has(bundle, row.configuration));
  for (const link of links) {
    // In a release that has only the Rust shim the Go link dangles (facts/kata.md §2.2).
    const { end } = resolve(bundle.listing, link);
    const row = fitting.find((one) => one.configuration === end);
    if (row !== undefined) return row;
  }
  const first = fitting[0] ?? handlerTable.handlers.find((row) => row.architectures.includes(arch) && has(bundle, row.configuration));
  if (first !== undefined) return first;
  throw new KataError('bundle-layout', {
    subject: bundle.sources.map((source) => source.name).join(', '),
    found: `no configuration of a handler for ${arch} lies below opt/kata/share/defaults/kata-containers`,
    needed: `a release archive of Kata Containers for ${arch} (${handlerTable.archives.rust} or ${handlerTable.archives.go})`,
    next: `name ${handlerTable.archives.rust}-VERSION-ARCH.tar.zst; kata-tools-static and single components carry no handler`,
  });
}

async function layHandler(input: LayOutInput, row: HandlerRow, links: Map<string, string>): Promise<LaidHandler> {
  const { bundle, arch } = input;
  const { listing } = bundle;
  const { files, hypervisor } = closureOf(listing, row, await input.readText(resolve(listing, row.configuration).end!));
  const executable = resolve(listing, row.shim).end!;
  requireMachine(bundle, executable, arch);
  if (hypervisor !== undefined && row.hypervisor === 'qemu') {
    requireUnpacked(bundle, row, [hypervisor]);
    const parts = qemuParts(listing, hypervisor, await input.contains(hypervisor, Object.keys(qemuTable.compiled)));
    for (const path of parts.paths) gather(listing, path, files);
    for (const [link, target] of parts.links) {
      links.set(link, target);
      files.add(link);
    }
  }
  requireUnpacked(
    bundle,
    row,
    [...files].filter((file) => !links.has(file)),
  );
  const { name: release, family, shim, configuration } = row;
  const protocol = protocolOf(bundle.services?.get(executable) ?? [], family);
  return {
    name: installedName(release),
    release,
    family,
    hypervisor: row.hypervisor,
    shim,
    ...(protocol === undefined ? {} : { protocol }),
    configuration,
    files: [...files].sort(byName),
  };
}

async function availableOf({ bundle, arch, readText }: LayOutInput): Promise<string[]> {
  const names: string[] = [];
  for (const row of handlerTable.handlers) {
    if (!row.architectures.includes(arch) || !has(bundle, row.shim) || !has(bundle, row.configuration)) continue;
    const configuration = resolve(bundle.listing, row.configuration).end!;
    if (!unpackedOf(bundle).has(configuration)) continue;
    const text = await readText(configuration);
    if (isWhole(bundle, row, text)) names.push(installedName(row.name));
  }
  return names.sort(byName);
}

function isWhole(bundle: Bundle, row: HandlerRow, text: string): boolean {
  try {
    return missingFrom(bundle.listing, row, text).length === 0;
  } catch (error) {
    // A configuration that cannot be read only takes its own handler out of the list.
    if (error instanceof KataError && error.code === 'bundle-configuration') return false;
    throw error;
  }
}

function keepDefaultLinks(bundle: Bundle, keep: Set<string>): void {
  for (const link of handlerTable.defaults.links) {
    const { end } = resolve(bundle.listing, link);
    if (end !== undefined && keep.has(end)) gather(bundle.listing, link, keep);
  }
}

function split(bundle: Bundle, keep: Set<string>): { entries: TreeEntry[]; dropped: string[]; droppedBytes: number } {
  const folders = new Set<string>();
  for (const path of keep) for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) folders.add(path.slice(0, at));
  const stays = (entry: TreeEntry): boolean => (entry.kind === 'directory' ? folders.has(entry.path) : keep.has(entry.path));
  const gone = bundle.entries.filter((entry) => !stays(entry));
  return {
    entries: bundle.entries.filter(stays),
    // Deepest first: whoever removes them in this order meets only empty folders.
    dropped: gone.map((entry) => entry.path).sort((a, b) => byName(b, a)),
    droppedBytes: gone.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0),
  };
}

function addedEntries(entries: TreeEntry[], links: Map<string, string>): TreeEntry[] {
  const added = new Map<string, TreeEntry>();
  const present = new Set(entries.map((entry) => entry.path));
  for (const [path, target] of links) {
    added.set(path, { path, kind: 'symlink', mode: 0o777, target });
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (!present.has(folder)) added.set(folder, { path: folder, kind: 'directory', mode: 0o755 });
    }
  }
  return [...added.values()];
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
