import type { Bundle } from '../bundle/types.ts';

export type Listing = Bundle['listing'];

/** Where a path of the release leads: the links on the way, and the file or folder at the end. */
export interface Resolved {
  links: string[];
  /** undefined when nothing is there, a link leads out of the tree, or links form a circle. */
  end: string | undefined;
}

// As the kernel counts (ELOOP).
const maxLinks = 40;

/** Follows the links of `path` (relative to the release) in the listing, every component of it. */
export function resolve(listing: Listing, path: string): Resolved {
  const links: string[] = [];
  const pending = path.split('/').reverse();
  const at: string[] = [];
  while (pending.length > 0) {
    const segment = pending.pop()!;
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      if (at.pop() === undefined) return { links, end: undefined };
      continue;
    }
    const here = [...at, segment].join('/');
    const entry = listing.get(here);
    if (entry === undefined) return { links, end: undefined };
    if (entry.kind !== 'symlink') {
      at.push(segment);
      continue;
    }
    links.push(here);
    const target = entry.target ?? '';
    if (links.length > maxLinks || target === '' || target.startsWith('/')) return { links, end: undefined };
    pending.push(...target.split('/').reverse());
  }
  return { links, end: at.join('/') };
}

/** All files and links that `path` brings: the links on the way to it, itself, and for a folder everything below, links followed. */
export function gather(listing: Listing, path: string, into: Set<string>, folders = new Set<string>()): void {
  const { links, end } = resolve(listing, path);
  for (const link of links) into.add(link);
  if (end === undefined || end === '' || folders.has(end)) return;
  if (listing.get(end)?.kind === 'file') {
    into.add(end);
    return;
  }
  folders.add(end);
  for (const [below, entry] of listing) {
    if (!below.startsWith(`${end}/`) || into.has(below)) continue;
    if (entry.kind === 'file') into.add(below);
    else if (entry.kind === 'symlink') gather(listing, below, into, folders);
  }
}
