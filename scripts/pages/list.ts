import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const repo = join(import.meta.dirname, '../..');

/** Folders of docs/ for those who work on the program: why it is as it is, and facts that its code cites. */
const forContributors = ['docs/adr/', 'docs/facts/'];

/** All pages below docs/, as paths from the repository's root, sorted. */
export function docPages(): string[] {
  return readdirSync(join(repo, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .sort();
}

/** Those of them that users read. */
export function userDocPages(): string[] {
  return docPages().filter((path) => !forContributors.some((folder) => path.startsWith(folder)));
}
