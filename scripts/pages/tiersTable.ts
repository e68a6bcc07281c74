import { tiers } from '../tiers.ts';

const begins = '<!-- the tiers begin: made from scripts/tiers.ts by scripts/docs.ts -->\n';
const ends = '\n<!-- the tiers end -->';

/** README with a fresh table of tiers between its two marks. */
export function withTiersTable(page: string, table: (heads: string[], rows: string[][]) => string): string {
  const [from, to] = [page.indexOf(begins), page.indexOf(ends)];
  if (from < 0 || to < from) throw new Error('README.md has lost the marks of its table of tiers');
  const fresh = table(
    ['tier', 'what is real', 'needs', 'left out without it'],
    tiers.map(({ name, real, needs, without }) => [`\`${name}\``, real, needs, without]),
  );
  return `${page.slice(0, from + begins.length)}\n${fresh}\n${page.slice(to)}`;
}
