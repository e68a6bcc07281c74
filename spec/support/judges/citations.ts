import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { repo } from '../program.ts';

export interface Source {
  /** From the root of the repository: 'cli/store/paths.ts'. */
  path: string;
  text: string;
}

const folders = ['cli', 'spec', 'scripts', 'bench', 'helpers', 'units', 'overlays', 'templates', 'examples', 'docs'];
const topFiles = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];

/** Every text of the repository that may cite another one. Files with a zero byte are no texts. */
export function sources(): Source[] {
  const found = folders
    .filter((folder) => existsSync(join(repo, folder)))
    .flatMap((folder) =>
      readdirSync(join(repo, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => posix.relative(repo, join(entry.parentPath, entry.name))),
    );
  return [...topFiles, ...found]
    .filter((path) => !path.includes('node_modules/'))
    .map((path) => ({ path, text: readFileSync(join(repo, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'));
}

/** Texts that no reader of this repository has: notes named by their sections, and numbered promises. */
const elsewhere =
  /(?<!docs\/|\]\(\.\.\/)\bfacts\/[a-z]+\.md|§|\bdesign (?:section )?\d|\bpromises? \d|shared\/(?:facts|design|language|style)\b/g;

/** 'cli/a.ts: §' for each citation of a text that is not in the repository. */
export function citedElsewhere({ path, text }: Source): string[] {
  return [...text.matchAll(elsewhere)].map(([words]) => `${path}: ${words}`);
}

/** A comment of TypeScript or C, or of a unit or a script. The start of a string's `//` is told by the sign before it. */
const comment = /\/\*[\s\S]*?\*\/|(?<![:'"`\w/])\/\/.*$|^\s*#.*$/gm;
/** A page in quotes is an example of a value, and not looked for. */
const citation =
  /(?<![\w./'-])(?<page>docs\/[\w./-]+\.md|ARCHITECTURE\.md|CONTRIBUTING\.md|README\.md)(?:#(?<heading>[\w-]+))?|\bADR (?<number>\d{4})\b/g;

/** What the comments of a file cite that is not there: a page, a heading of it, the number of a decision. */
export function missingCitations({ path, text }: Source): string[] {
  const words = [...text.matchAll(comment)].map(([each]) => each.replace(/\n\s*\*?\s*/g, ' '));
  return words
    .flatMap((each) => [...each.matchAll(citation)])
    .filter(({ groups }) => !isThere(groups!))
    .map(([cited]) => `${path}: ${cited}`);
}

function isThere({ page, heading, number }: Record<string, string | undefined>): boolean {
  if (number !== undefined) return decisions().some((name) => name.startsWith(`${number}-`));
  return hasHeading(page!, heading);
}

/** Links of a page to files or headings of this repository that are not there. */
export function missingLinks({ path, text }: Source): string[] {
  const links = [...text.replace(/^```.*?^```/gms, '').matchAll(/\]\((?<file>[^)#:\s]*)(?:#(?<heading>[^)\s]+))?\)/g)];
  return links
    .filter(({ groups }) => {
      const { file, heading } = groups!;
      const target = file === '' ? path : posix.join(dirname(path), file!);
      return !(target.endsWith('.md') ? hasHeading(target, heading) : existsSync(join(repo, target)));
    })
    .map(([link]) => `${path}: ${link}`);
}

/** Paths of the repository in the code spans of a page, without those that have a placeholder in capitals. */
const path = /`(?<path>(?:cli|spec|scripts|overlays|templates|units|helpers|bench|docs|schema)\/[a-z][\w./-]*)`/g;

/** Such paths that are not there. A star is a pattern and not looked for. */
export function missingPaths({ path: page, text }: Source): string[] {
  const named = [...text.matchAll(path)].map(({ groups }) => groups!['path']!);
  return named.filter((each) => !existsSync(join(repo, each))).map((each) => `${page}: ${each}`);
}

/** The folders of cli/ that the table of ARCHITECTURE.md has a row for: 'planning'. */
export function tabledFolders(): string[] {
  const rows = readFileSync(join(repo, 'ARCHITECTURE.md'), 'utf8').match(/^\| `[a-zA-Z]+\/`.*$/gm) ?? [];
  const firsts = rows.flatMap((row) => [...row.split(' | ')[0]!.matchAll(/`(?<name>[a-zA-Z]+)\/`/g)]);
  return firsts.map(({ groups }) => groups!['name']!).sort();
}

function hasHeading(page: string, heading: string | undefined): boolean {
  if (!existsSync(join(repo, page))) return false;
  if (heading === undefined) return true;
  const text = readFileSync(join(repo, page), 'utf8').replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (?<words>.+)$/gm)].some(({ groups }) => anchorOf(groups!['words']!) === heading);
}

/** As GitHub makes it: lower-case, without punctuation, a hyphen for each blank. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

/** Names of the files in docs/adr that are decisions: '0001-title.md'. */
export function decisions(): string[] {
  return readdirSync(join(repo, 'docs/adr')).filter((name) => /^\d{4}-/.test(name));
}
