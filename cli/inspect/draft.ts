import type { Bundle, TreeEntry } from '../bundle/types.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { type Architecture, type HandlerRow, handlerTable, installedName, qemuTable, shippedBundle } from '../layout/index.ts';
import { extensionFolder, type PayloadManifest, payloadFolder, releaseText, schema } from '../store/index.ts';

/** As long as each that a payload gets. */
const digest = `sha256:${'0'.repeat(64)}` as const;

export interface DraftRequest {
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
export async function draftOf(host: HostView, bundle: Bundle, { root, architecture, keep, rows }: DraftRequest): Promise<PayloadManifest> {
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
  { kind, sizeBytes, target = '' }: { kind: TreeEntry['kind']; sizeBytes: number; target?: string },
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
