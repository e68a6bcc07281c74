import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { forbiddenWords } from './pages/proseRules.ts';
import { sourceSentences } from './pages/sourceTexts.ts';

const repo = join(import.meta.dirname, '..');

/** Folders of cli/ that have forbidden words still. A folder leaves this list when it is clean; lint says so. */
export const foldersNotYetClean = ['commands/table', 'operations', 'planning', 'preflight', 'runner'];

/** All patterns as one, so that most sentences are read once. */
const anyWord = new RegExp(forbiddenWords.map(({ pattern }) => `\\b(?:${pattern})\\b`).join('|'), 'i');

/** The forbidden words in comments and strings of a TypeScript file, each as a line to print: 'cli/a.ts:12: …'. */
export function wordProblems(path: string, source: string): string[] {
  return sourceSentences(source)
    .filter(({ text }) => anyWord.test(text))
    .flatMap(({ line, text }) =>
      forbiddenWords.flatMap(({ pattern, use }) => {
        const found = new RegExp(`\\b(?:${pattern})\\b`, 'i').exec(text);
        return found === null ? [] : [`${path}:${line}: “${found[0]}”: use ${use}`];
      }),
    );
}

/** The sources of cli/, as paths from there, in byte order. */
export function checkedSources(): string[] {
  const paths = readdirSync(join(repo, 'cli'), { recursive: true, encoding: 'utf8' });
  return paths.filter((path) => path.endsWith('.ts')).sort();
}

/** Of all sources: their forbidden words, and the folders that are left out although they have none any more. */
export function allWordProblems(): string[] {
  const leftOut = new Map(foldersNotYetClean.map((folder) => [folder, 0]));
  const problems: string[] = [];
  for (const path of checkedSources()) {
    const found = wordProblems(`cli/${path}`, readFileSync(join(repo, 'cli', path), 'utf8'));
    const folder = foldersNotYetClean.find((each) => path.startsWith(`${each}/`));
    if (folder === undefined) problems.push(...found);
    else leftOut.set(folder, leftOut.get(folder)! + found.length);
  }
  const clean = [...leftOut].filter(([, count]) => count === 0);
  return [...problems, ...clean.map(([folder]) => `cli/${folder}: it is clean now; take it out of foldersNotYetClean in scripts/words.ts`)];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = allWordProblems();
  for (const problem of problems) console.error(problem);
  console.log(
    `Checked the words of ${checkedSources().length} sources, ${foldersNotYetClean.length} folders left out: ${problems.length} problems.`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
