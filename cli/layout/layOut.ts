import { posix } from 'node:path';
import type { Bundle, TreeEntry } from '../bundle/types.ts';
import { KataError } from '../errors/index.ts';
import type { Architecture } from '../facts/index.ts';
import { digestOf } from '../host/index.ts';
import { protocolOf } from '../shimProtocol/index.ts';
import { type Arrangement, arrange } from './arrange.ts';
import { has, releaseOf, requireMachine, requireParts, requireUnpacked, unpackedOf } from './checks.ts';
import { closureOf, incompleteness, qemuParts } from './closure.ts';
import { renameInConfiguration } from './configuration.ts';
import { type FileClass, foldersOf, outOfBin, placeOf, shippedBundle } from './places.ts';
import { gather, resolve } from './resolve.ts';
import { type HandlerRow, handlerRow, handlerTable, installedName, qemuTable } from './tables.ts';
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
  /** What an unpacked file is by its bytes. */
  kindOf(path: string): Promise<'program' | 'library' | undefined> | 'program' | 'library' | undefined;
}

const always = ['VERSION', 'versions.yaml'];

/**
 * Chooses what of an unpacked release stays, where it lies, and for which handlers. Throws `bundle-layout`, `bundle-lacks-handler`,
 * `bundle-no-shim`, `bundle-incomplete`, `bundle-configuration`, `bundle-name-taken`, `handler-unknown`, `host-architecture`.
 */
export async function layOut(input: LayOutInput): Promise<Layout> {
  const { bundle, arch } = input;
  const release = releaseOf(bundle);
  const byDefault = defaultRow(bundle, arch);
  const rows = [...new Set(input.wanted === undefined ? [byDefault] : input.wanted.map(handlerRow))];
  requireParts(bundle, rows, arch);
  const needs: Needs[] = [];
  for (const row of rows) needs.push(await needsOf(input, row));
  const keep = new Set(always.filter((path) => bundle.listing.has(path)));
  for (const { files } of needs) for (const file of files) keep.add(file);
  keepDefaultLinks(bundle, keep);
  const arrangement = arrange({
    listing: bundle.listing,
    keep,
    classes: await classesOf(input, keep, new Set(needs.flatMap(({ programs }) => [...programs]))),
    foundByName: new Set(needs.flatMap(({ foundByName }) => [...foundByName])),
    added: addedLinks(bundle, needs),
  });
  const texts = await renamedTexts(input, needs, arrangement);
  const entries = entriesOf(bundle, arrangement, texts);
  const { dropped, droppedBytes } = dropsOf(bundle, keep, entries);
  return {
    version: release,
    defaultHandler: installedName(byDefault.name),
    handlers: needs.map((each) => handlerOf(bundle, each, arrangement)),
    available: await availableOf(input),
    entries,
    moves: [...arrangement.files].filter(([from, to]) => from !== to).map(([from, to]) => ({ from, to })),
    texts,
    dropped,
    savedBytes: bundle.skippedBytes + droppedBytes,
  };
}

/** The release's default handler: where its own link points, else the first candidate whose configuration is there. Throws `bundle-layout`. */
export function defaultRow(bundle: Bundle, arch: Architecture): HandlerRow {
  const { links, candidates } = handlerTable.defaults;
  const fitting = candidates.map(handlerRow).filter((row) => row.architectures.includes(arch) && has(bundle, row.configuration));
  for (const link of links) {
    // In a release that has only the Rust shim the Go link dangles (docs/facts/kata.md#archives).
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

/** What a handler needs of the release: paths as the release has them. */
interface Needs {
  row: HandlerRow;
  files: Set<string>;
  /** Those that the configuration names to be started. */
  programs: Set<string>;
  /** Those in folders of a QEMU, which it finds by their names. */
  foundByName: Set<string>;
  /** QEMU's executable, and the links by which it finds its data. */
  qemu?: { binary: string; links: Map<string, string> } | undefined;
}

async function needsOf(input: LayOutInput, row: HandlerRow): Promise<Needs> {
  const { bundle, arch } = input;
  const { listing } = bundle;
  const { files, hypervisor, programs } = closureOf(listing, row, await input.readText(resolve(listing, row.configuration).end!));
  requireMachine(bundle, resolve(listing, row.shim).end!, arch);
  const foundByName = new Set<string>();
  let qemu: Needs['qemu'];
  if (hypervisor !== undefined && row.hypervisor === 'qemu') {
    requireUnpacked(bundle, row, [hypervisor]);
    const parts = qemuParts(listing, hypervisor, await input.contains(hypervisor, Object.keys(qemuTable.compiled)));
    const folders = new Set<string>();
    for (const path of parts.paths) gather(listing, path, files, folders);
    for (const path of files) if (foldersOf(path).some((folder) => folders.has(folder))) foundByName.add(path);
    qemu = { binary: hypervisor, links: parts.links };
  }
  requireUnpacked(bundle, row, [...files]);
  return { row, files, programs, foundByName, qemu };
}

function handlerOf(bundle: Bundle, { row, files, qemu }: Needs, arrangement: Arrangement): LaidHandler {
  const { name: release, family, hypervisor, shim, configuration } = row;
  const protocol = protocolOf(bundle.services?.get(resolve(bundle.listing, shim).end!) ?? [], family);
  const own = [...files].flatMap((path) => [
    arrangement.files.get(path),
    arrangement.links.has(outOfBin(path)) ? outOfBin(path) : undefined,
  ]);
  const added = qemu === undefined ? [] : [...qemu.links.keys(), bundleLink(qemu.binary)].filter((path) => arrangement.links.has(path));
  return {
    name: installedName(release),
    release,
    family,
    hypervisor,
    shim: arrangement.nameOf(shim),
    protocol,
    configuration,
    files: [...new Set([...own.filter((path) => path !== undefined), ...added])].sort(byName),
  };
}

/** A program has an execute bit; a library need not. A file that is to be started is a program whatever its bytes are. */
async function classesOf({ bundle, kindOf }: LayOutInput, keep: Set<string>, programs: Set<string>): Promise<Map<string, FileClass>> {
  const classes = new Map<string, FileClass>();
  for (const { path, kind, mode } of bundle.entries) {
    if (kind !== 'file' || !keep.has(path)) continue;
    const isExecutable = (mode & 0o111) !== 0;
    const byBytes = isExecutable && programs.has(path) ? 'program' : await kindOf(path);
    if (byBytes === 'library' || (byBytes === 'program' && isExecutable)) classes.set(path, byBytes);
  }
  return classes;
}

/** The links by which each QEMU finds its data, and the one next to it that points at them. */
function addedLinks({ listing }: Bundle, needs: Needs[]): Map<string, string> {
  const added = new Map<string, string>();
  const isLinked = listing.get(shippedBundle)?.kind === 'symlink';
  for (const { qemu, foundByName } of needs) {
    if (qemu === undefined || isLinked) continue;
    for (const [path, target] of qemu.links) added.set(path, target);
    const isWanted = qemu.links.size > 0 || [...foundByName].some((path) => path.startsWith(`${shippedBundle}/`));
    if (isWanted) added.set(bundleLink(qemu.binary), qemuTable.bundle);
  }
  return added;
}

function bundleLink(binary: string): string {
  return posix.join(posix.dirname(placeOf(binary, 'program')), qemuTable.beside);
}

/** The configurations whose text names what has another name in the payload, by path. */
async function renamedTexts(
  { bundle, readText }: LayOutInput,
  needs: Needs[],
  { files, nameOf }: Arrangement,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const { row } of needs) {
    const path = resolve(bundle.listing, row.configuration).end!;
    const text = await readText(path);
    const renamed = renameInConfiguration(text, { nameOf, files }, row.configuration);
    if (renamed !== text) texts.set(path, renamed);
  }
  return texts;
}

async function availableOf({ bundle, arch, readText }: LayOutInput): Promise<string[]> {
  const names: string[] = [];
  for (const row of handlerTable.handlers) {
    if (!row.architectures.includes(arch) || !has(bundle, row.shim) || !has(bundle, row.configuration)) continue;
    const configuration = resolve(bundle.listing, row.configuration).end!;
    if (!unpackedOf(bundle).has(configuration)) continue;
    const text = await readText(configuration);
    if (incompleteness(bundle.listing, row, text) === undefined) names.push(installedName(row.name));
  }
  return names.sort(byName);
}

function keepDefaultLinks(bundle: Bundle, keep: Set<string>): void {
  for (const link of handlerTable.defaults.links) {
    const { end } = resolve(bundle.listing, link);
    if (end !== undefined && keep.has(end)) gather(bundle.listing, link, keep);
  }
}

/** Everything in the payload, sorted by path. */
function entriesOf(bundle: Bundle, { files, links }: Arrangement, texts: Map<string, string>): TreeEntry[] {
  const unpacked = new Map(bundle.entries.map((entry) => [entry.path, entry]));
  const entries = [...files].flatMap(([from, path]): TreeEntry[] => {
    const entry = unpacked.get(from);
    const text = texts.get(from);
    if (entry === undefined) return [];
    if (text === undefined) return [{ ...entry, path }];
    return [{ ...entry, path, sizeBytes: Buffer.byteLength(text), digest: digestOf(text) }];
  });
  for (const [path, target] of links) entries.push({ path, kind: 'symlink', mode: 0o777, target });
  for (const folder of new Set(entries.flatMap(({ path }) => foldersOf(path)))) {
    const known = unpacked.get(folder);
    entries.push(known?.kind === 'directory' ? known : { path: folder, kind: 'directory', mode: 0o755 });
  }
  return entries.sort((a, b) => byName(a.path, b.path));
}

/** What was unpacked and does not stay as it is: files of no handler, folders without files, links that lead elsewhere now. */
function dropsOf(bundle: Bundle, keep: Set<string>, entries: TreeEntry[]): { dropped: string[]; droppedBytes: number } {
  const stays = new Map(entries.map((entry) => [entry.path, entry]));
  const gone = bundle.entries.filter(({ path, kind, target }) => {
    const now = stays.get(path);
    return kind === 'file' ? !keep.has(path) : now?.kind !== kind || now.target !== target;
  });
  return {
    // Deepest first: in this order each folder is empty when it is removed.
    dropped: gone.map((entry) => entry.path).sort((a, b) => byName(b, a)),
    droppedBytes: gone.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0),
  };
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
