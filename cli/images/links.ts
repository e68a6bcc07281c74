import type { Labelled } from './types.ts';

// As the kernel counts (ELOOP).
const maxLinks = 40;
/** Of all links of an image: a release has thousands. More take a processor for minutes, and count as leading out. */
const maxSegments = 1_000_000;
/** Longer than any path that the kernel opens. */
const maxDepth = 2048;

/**
 * The first link of an image that leads out: one of the release (below `inside`) out of the release, any other one out of the image, also by
 * way of other links ('a/up/../..', 'up' a link). An absolute target leads out, because it means the host's files once the image is merged.
 */
export function strayLink(contents: Labelled[], inside: string): string | undefined {
  const targets = new Map(contents.flatMap(({ path, kind, target }) => (kind === 'symlink' ? [[path, target ?? '']] : [])));
  const budget = { segments: maxSegments };
  return [...targets.keys()].find((path) => leadsOut(targets, path, path.startsWith(`${inside}/`) ? inside.split('/') : [], budget));
}

function leadsOut(targets: Map<string, string>, path: string, base: string[], budget: { segments: number }): boolean {
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
    if (at.length > maxDepth) return true;
    const target = targets.get(at.join('/'));
    if (target === undefined) continue;
    if (target === '' || target.startsWith('/')) return true;
    // A circle leads nowhere: opening it fails.
    if (++links > maxLinks) return false;
    at.pop();
    const more = target.split('/').reverse();
    budget.segments -= more.length;
    if (budget.segments < 0) return true;
    for (const each of more) pending.push(each);
  }
  return false;
}
