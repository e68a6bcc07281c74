/** A matcher for one glob: `**` crosses folders, `*` and `?` do not. Everything else is literal. */
export function globMatcher(glob: string): (path: string) => boolean {
  const source = glob.replace(/\*\*|\*|\?|[\\^$.|+()[\]{}]/g, (token) => wildcards[token] ?? `\\${token}`);
  const pattern = new RegExp(`^${source}$`);
  return (path) => pattern.test(path);
}

const wildcards: Record<string, string> = { '**': '.*', '*': '[^/]*', '?': '[^/]' };

/** True when a glob fits the path and no `except` fits its base name. */
export function rowMatcher(globs: string[], except: string[] = []): (path: string) => boolean {
  const wanted = globs.map(globMatcher);
  const unwanted = except.map(globMatcher);
  return (path) => wanted.some((fits) => fits(path)) && !unwanted.some((fits) => fits(path.slice(path.lastIndexOf('/') + 1)));
}
