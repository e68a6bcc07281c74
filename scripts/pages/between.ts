/** A page with a fresh text between its two marks, `<!-- NAME begin: … -->` and `<!-- NAME end -->`. Throws where it has lost them. */
export function between(page: string, name: string, fresh: string): string {
  const marked = new RegExp(`(<!-- ${name} begin: [^>]*-->\\n).*?(\\n<!-- ${name} end -->)`, 's');
  if (!marked.test(page)) throw new Error(`a page has lost the marks of its part “${name}”`);
  return page.replace(marked, (_all, begins: string, ends: string) => `${begins}\n${fresh}\n${ends}`);
}
