import type { Labelled } from './types.ts';

// As the kernel counts (ELOOP).
const maxLinks = 40;

/**
 * The first link of an image that leads out: one of the release (below `inside`) out of the release, any other one out of the image, also by
 * way of other links ('a/up/../..', 'up' a link). An absolute target leads out, because it means the host's files once the image is merged.
 */
export function strayLink(contents: Labelled[], inside: string): string | undefined {
  const targets = new Map(contents.flatMap(({ path, kind, target }) => (kind === 'symlink' ? [[path, target ?? '']] : [])));
  return [...targets.keys()].find((path) => leadsOut(targets, path, path.startsWith(`${inside}/`) ? inside.split('/') : []));
}

function leadsOut(targets: Map<string, string>, path: string, base: string[]): boolean {
  const pending = path.split('/').slice(base.length).reverse();
  const at = [...base];
  let links = 0;
  while (pending.length > 0) {
    const segment = pending.pop()!;
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      if (at.length === base.length) return true;
      at.pop();
      continue;
    }
    at.push(segment);
    const target = targets.get(at.join('/'));
    if (target === undefined) continue;
    if (target === '' || target.startsWith('/')) return true;
    // A circle leads nowhere: opening it fails.
    if (++links > maxLinks) return false;
    at.pop();
    pending.push(...target.split('/').reverse());
  }
  return false;
}
