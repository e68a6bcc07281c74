import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Bundle, TreeEntry } from '../bundle/types.ts';
import type { Finding } from '../errors/index.ts';
import type { Architecture } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { type HandlerRow, handlerTable, installedName, qemuTable, shippedBundle } from '../layout/index.ts';
import type { Emit } from '../output/events.ts';
import type { Given } from '../planning/choices/givenImage.ts';
import { extensionFolder, type Generation, type PayloadManifest, payloadFolder, releaseText, schema } from '../store/index.ts';

/** A handler that a bundle carries. */
export interface Offer {
  name: string;
  family: 'go' | 'rust';
  hypervisor: string;
  /** What an install without --handler takes on a bare host. */
  byDefault: boolean;
  installed: boolean;
  /** What the bundle or this host lacks for it; nothing: it fits here. */
  findings: Finding[];
}

export interface Offers {
  release: string;
  sources: string[];
  handlers: Offer[];
  /** Installed handlers that the bundle does not carry. */
  lacks: string[];
  /** What an install of the handlers that are asked about unpacks; of an image: copies. */
  unpackedBytes: number;
  unpackedEntries: number;
}

/** What a bundle offers, and the payload that an install would store at most; an image tells that by its size. */
export interface Offered {
  offers: Offers;
  draft?: PayloadManifest;
}

export interface OffersRequest {
  /** Real paths on this machine. */
  sources: string[];
  /** The release's words of the handlers that an install would take; undefined: its default. */
  wanted?: string[];
  /** Where it would be stored. */
  root: HostPath;
  emit: Emit;
  signal: AbortSignal;
}

/**
 * Which handlers a bundle carries for this architecture, and what the bundle and this host lack for each. Every member is checked as at an
 * install, none is written. Throws the codes of the bundle.
 */
export async function offersOf(
  host: HostView,
  { sources, wanted, root, emit, signal }: OffersRequest,
  architecture: Architecture,
  active: Generation | undefined,
): Promise<Offered> {
  const { readBundles } = await import('../bundle/index.ts');
  const { defaultRow, handlerRow, has, handlerTable, incompleteness, installedName, keepFor, resolve } = await import('../layout/index.ts');
  const { needFindings } = await import('../preflight/needs.ts');
  const bundle = await readBundles({
    sources,
    into: '/nonexistent',
    keep: () => false,
    tell: (path) => path.endsWith('.toml'),
    emit,
    signal,
  });
  const usual = defaultRow(bundle, architecture);
  const installed = active?.manifest.handlers.map((handler) => handler.name) ?? [];
  const handlers: Offer[] = [];
  for (const row of handlerTable.handlers) {
    if (!row.architectures.includes(architecture) || !has(bundle, row.shim) || !has(bundle, row.configuration)) continue;
    const name = installedName(row.name);
    const text = bundle.texts?.get(resolve(bundle.listing, row.configuration).end ?? '') ?? '';
    const lack = incompleteness(bundle.listing, row, text)?.finding();
    handlers.push({
      name,
      family: row.family,
      hypervisor: row.hypervisor,
      byDefault: row === usual,
      installed: installed.includes(name),
      findings: [...(lack === undefined ? [] : [lack]), ...(await needFindings(host, [row.name]))],
    });
  }
  const keep = keepFor(wanted, architecture);
  const kept = [...bundle.listing].filter(([path, { kind }]) => kind !== 'file' || keep(path));
  const draft = await draftOf(host, bundle, { root, architecture, keep, rows: wanted?.map(handlerRow) ?? [usual] });
  const offers = {
    unpackedBytes: kept.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0),
    unpackedEntries: kept.length,
    release: bundle.version ?? 'unknown',
    sources: bundle.sources.map((source) => source.name),
    handlers,
    lacks: installed.filter((name) => !handlers.some((offer) => offer.name === name)),
  };
  return { offers, draft };
}

/** The same of an image: it has what it was built with, and nothing is the default but all of it. */
export async function offersInImage(host: HostView, { file, said }: Given, active: Generation | undefined): Promise<Offered> {
  const { handlerRow } = await import('../layout/index.ts');
  const { needFindings } = await import('../preflight/needs.ts');
  const installed = active?.manifest.handlers.map((handler) => handler.name) ?? [];
  const handlers = said.handlers.map(async ({ name, release }): Promise<Offer> => {
    const { family, hypervisor } = handlerRow(release);
    return {
      name,
      family,
      hypervisor,
      byDefault: true,
      installed: installed.includes(name),
      findings: await needFindings(host, [release]),
    };
  });
  const offers = {
    unpackedBytes: (await stat(file)).size,
    unpackedEntries: 1,
    release: said.release,
    sources: [basename(file)],
    handlers: await Promise.all(handlers),
    lacks: installed.filter((name) => !said.handlers.some((handler) => handler.name === name)),
  };
  return { offers };
}

/** As long as each that a payload gets. */
const digest = `sha256:${'0'.repeat(64)}` as const;

interface DraftRequest {
  root: HostPath;
  architecture: Architecture;
  /** What an install of them unpacks. */
  keep(path: string): boolean;
  rows: HandlerRow[];
}

/**
 * A payload's manifest as it can be known before anything is unpacked, for its size: no install of these handlers stores more. It has all
 * files that are unpacked, also those that turn out to be needed by no handler, and each handler names all of them.
 */
async function draftOf(host: HostView, bundle: Bundle, { root, architecture, keep, rows }: DraftRequest): Promise<PayloadManifest> {
  const kept = [...bundle.listing].filter(([path, { kind }]) => kind !== 'file' || keep(path));
  const entries = [...kept.map(([path, entry]) => drafted(path, entry)), ...addedLinks(rows)];
  const files = entries.filter(({ kind }) => kind !== 'directory').map(({ path }) => path);
  const names = handlerTable.handlers.map(({ name }) => installedName(name));
  return {
    schema,
    digest,
    root,
    folder: payloadFolder(root, digest),
    extension: { folder: extensionFolder(root, digest), release: await releaseText(host, architecture, digest) },
    release: bundle.version ?? 'unknown',
    sources: bundle.sources,
    handlers: rows.map(({ name, family, hypervisor, shim, configuration }) => ({
      name: installedName(name),
      release: name,
      family,
      hypervisor,
      shim,
      protocol: 0,
      configuration,
      files,
    })),
    defaultHandler: names.reduce((a, b) => (b.length > a.length ? b : a)),
    available: names,
    entries,
    sizeBytes: kept.reduce((sum, [, entry]) => sum + entry.sizeBytes, 0),
    savedBytes: Number.MAX_SAFE_INTEGER,
  };
}

function drafted(
  path: string,
  { kind, sizeBytes, target = '' }: { kind: TreeEntry['kind']; sizeBytes: number; target?: string | undefined },
): TreeEntry {
  if (kind === 'directory') return { path, kind, mode: 0o755 };
  return kind === 'symlink' ? { path, kind, mode: 0o777, target } : { path, kind, mode: 0o755, sizeBytes, digest };
}

/** The layout may add a link, with the folders above it, for each place in which a QEMU looks for its data, and one that leads there. */
function addedLinks(rows: HandlerRow[]): TreeEntry[] {
  if (!rows.some(({ hypervisor }) => hypervisor === 'qemu')) return [];
  const beside: TreeEntry = { path: shippedBundle, kind: 'symlink', mode: 0o777, target: `../${qemuTable.bundle}` };
  const links = Object.entries(qemuTable.compiled).flatMap(([place, target]): TreeEntry[] => {
    const path = `${qemuTable.bundle}${place}`;
    const parents = path.split('/').map((_, index, words) => words.slice(0, index + 1).join('/'));
    const folders = parents.slice(0, -1).map((folder): TreeEntry => ({ path: folder, kind: 'directory', mode: 0o755 }));
    return [...folders, { path, kind: 'symlink', mode: 0o777, target: '../'.repeat(parents.length) + target }];
  });
  return [beside, ...links];
}
