import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Finding } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import type { Architecture } from '../layout/index.ts';
import type { Emit } from '../output/events.ts';
import type { Given } from '../planning/choices/givenImage.ts';
import type { Generation, PayloadManifest } from '../store/index.ts';

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
  const { draftOf } = await import('./draft.ts');
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
