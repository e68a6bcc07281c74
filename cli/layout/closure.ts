import { KataError } from '../errors/index.ts';
import { belowPrefix, type Requirement, requirements } from './configuration.ts';
import { rowMatcher } from './glob.ts';
import { clashOf, foldersOf, placeOf, shippedBundle } from './places.ts';
import { gather, type Listing, resolve } from './resolve.ts';
import { type HandlerRow, installedName, pathTable, qemuTable } from './tables.ts';

/** What a handler needs of the release, before QEMU's data folders. */
export interface Closure {
  files: Set<string>;
  /** The hypervisor's binary after links, if it is a file of the release. */
  hypervisor: string | undefined;
  /** Files that the configuration names to be started, after links. */
  programs: Set<string>;
}

/** A path that the configuration names and the release lacks. */
export interface Missing {
  key: string;
  value: string;
}

/** The paths of the release that a configuration cannot do without and that are not there. Throws `bundle-configuration`. */
function missingFrom(listing: Listing, row: HandlerRow, text: string): Missing[] {
  return named(row, text).filter(({ kind, path }) => kind === 'file' && !isFile(listing, path));
}

function isFile(listing: Listing, path: string): boolean {
  const { end } = resolve(listing, path);
  return end !== undefined && listing.get(end)?.kind === 'file';
}

/** Shim, configuration and every path that the configuration names. Throws `bundle-incomplete` when one is not there. */
export function closureOf(listing: Listing, row: HandlerRow, text: string): Closure {
  const lacks = missingFrom(listing, row, text);
  if (lacks.length > 0) throw incomplete(row, lacks);
  const files = new Set<string>();
  gather(listing, row.shim, files);
  gather(listing, row.configuration, files);
  const programs = programsOf(listing, row, text);
  let hypervisor: string | undefined;
  for (const { key, kind, path } of named(row, text)) {
    // What annotations may name comes along when it is one file; a pattern or a folder brings nothing.
    if (kind === 'file' || isFile(listing, path)) gather(listing, path, files);
    if (key === 'path') hypervisor = resolve(listing, path).end;
  }
  return { files, hypervisor, programs };
}

function programsOf(listing: Listing, row: HandlerRow, text: string): Set<string> {
  const started = named(row, text).filter(({ program, path }) => program && isFile(listing, path));
  return new Set([row.shim, ...started.map(({ path }) => path)].flatMap((path) => resolve(listing, path).end ?? []));
}

/** QEMU's data folders and libraries, and the links that let a relocated QEMU find what it was built to look for. */
export interface QemuParts {
  /** Folders and files of the release. */
  paths: string[];
  /** Links that are added: path in the payload → a folder of the release. */
  links: Map<string, string>;
}

/**
 * @param compiled which of the table's compiled-in directories occur in the binary
 *
 * Kata builds QEMU with --disable-relocatable, but it looks in `<folder of the binary>/qemu-bundle/<compiled-in path>` first
 * (docs/facts/kata.md#qemus-data-folder), which needs no wrapper script and works on a read-only tree.
 */
export function qemuParts(listing: Listing, binary: string, compiled: string[]): QemuParts {
  const flavour = qemuTable.flavours.find((one) => rowMatcher([one.binary], one.except)(binary));
  const paths = [...(flavour?.folders ?? []), ...qemuTable.libraries, shippedBundle];
  const links = new Map<string, string>();
  for (const directory of compiled) {
    const target = qemuTable.compiled[directory];
    if (target === undefined || resolve(listing, target).end === undefined) continue;
    paths.push(target);
    // What the release itself ships there is right for its own QEMU.
    if (!isShipped(listing, `${shippedBundle}${directory}`)) links.set(`${qemuTable.bundle}${directory}`, target);
  }
  return { paths: paths.filter((path) => resolve(listing, path).end !== undefined), links };
}

/** A path that the release has, or that lies below a file or a link of it. */
function isShipped(listing: Listing, path: string): boolean {
  return listing.has(path) || foldersOf(path).some((folder) => (listing.get(folder)?.kind ?? 'directory') !== 'directory');
}

function named(row: HandlerRow, text: string): (Requirement & { path: string })[] {
  return requirements(text, row.hypervisor, row.configuration).flatMap((requirement) => {
    const path = belowPrefix(requirement.value, pathTable.prefix, row.configuration);
    return path === undefined ? [] : [{ ...requirement, path }];
  });
}

/** Why an install of this handler would be refused for what its configuration names, as far as that shows before files are read. */
export function incompleteness(listing: Listing, row: HandlerRow, text: string): KataError | undefined {
  try {
    const lacks = missingFrom(listing, row, text);
    if (lacks.length > 0) return incomplete(row, lacks);
    const clashes = [...programsOf(listing, row, text)].map((path) => clashOf(listing, path, placeOf(path, 'program')));
    return clashes.find((clash) => clash !== undefined);
  } catch (error) {
    if (error instanceof KataError && error.code === 'bundle-configuration') return error;
    throw error;
  }
}

function incomplete(row: HandlerRow, lacks: Missing[]): KataError {
  const list = lacks.map(({ key, value }) => `${key} = ${JSON.stringify(value)}`).join(', ');
  return new KataError('bundle-incomplete', {
    subject: installedName(row.name),
    found: `${row.configuration} names files that the bundle does not have: ${list}`,
    needed: `every file that the configuration of ${installedName(row.name)} names`,
    next: 'fetch the archive again, or name the archive that carries the files as well',
    details: { missing: lacks.map(({ key, value }) => ({ key, value })) },
  });
}
