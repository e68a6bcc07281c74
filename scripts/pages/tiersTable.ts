import { tiers } from '../tiers.ts';
import { between } from './between.ts';

/** README with a fresh table of tiers between its two marks. */
export function withTiersTable(page: string, table: (heads: string[], rows: string[][]) => string): string {
  const fresh = table(
    ['tier', 'what is real', 'needs', 'left out without it'],
    tiers.map(({ name, real, needs, without }) => [`\`${name}\``, real, needs, without]),
  );
  return between(page, 'the tiers', fresh);
}
