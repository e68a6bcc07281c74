import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { forbiddenWords } from './pages/proseRules.ts';
import { sourceSentences } from './pages/sourceTexts.ts';

const repo = join(import.meta.dirname, '..');

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

/** The forbidden words of all sources. */
export function allWordProblems(): string[] {
  return checkedSources().flatMap((path) => wordProblems(`cli/${path}`, readFileSync(join(repo, 'cli', path), 'utf8')));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = allWordProblems();
  for (const problem of problems) console.error(problem);
  console.log(`Checked the words of ${checkedSources().length} sources: ${problems.length} problems.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
