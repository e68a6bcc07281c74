/** A matcher for one glob: `**` crosses folders, `*` and `?` do not. Everything else is literal. */
function globMatcher(glob: string): (path: string) => boolean {
  const source = glob.replace(/\*\*|\*|\?|[\\^$.|+()[\]{}]/g, (token) => wildcards[token] ?? `\\${token}`);
  const pattern = new RegExp(`^${source}$`);
  return (path) => pattern.test(path);
}

const maxWildcards = 8;

/**
 * The same for a glob that a release brings. An expression tries every way to split the path among its wildcards, so that some of them in a row
 * take hours; here each character is looked at once for each place in the glob. undefined: it has more wildcards than any release needs.
 */
export function foreignGlobMatcher(glob: string): ((path: string) => boolean) | undefined {
  const tokens = glob.match(/\*\*|\*|\?|[^*?]/gs) ?? [];
  if (tokens.filter((token) => Object.hasOwn(wildcards, token)).length > maxWildcards) return undefined;
  const add = (places: Set<number>, at: number): void => {
    places.add(at);
    if (tokens[at] === '*' || tokens[at] === '**') add(places, at + 1);
  };
  return (path) => {
    let places = new Set<number>();
    add(places, 0);
    for (const char of path.match(/./gs) ?? []) {
      const next = new Set<number>();
      for (const at of places) {
        const token = tokens[at];
        if (token === '**' || (token === '*' && char !== '/')) add(next, at);
        else if (token === char || (token === '?' && char !== '/')) add(next, at + 1);
      }
      places = next;
    }
    return places.has(tokens.length);
  };
}

const wildcards: Record<string, string> = { '**': '.*', '*': '[^/]*', '?': '[^/]' };

/** True when a glob fits the path and no `except` fits its base name. */
export function rowMatcher(globs: string[], except: string[] = []): (path: string) => boolean {
  const wanted = globs.map(globMatcher);
  const unwanted = except.map(globMatcher);
  return (path) => wanted.some((fits) => fits(path)) && !unwanted.some((fits) => fits(path.slice(path.lastIndexOf('/') + 1)));
}
