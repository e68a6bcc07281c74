import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ForbiddenWord, forbiddenWords, prosePages } from './pages/proseRules.ts';
import { manSentences, markdownSentences, type Sentence, wordCount } from './pages/sentences.ts';

const repo = join(import.meta.dirname, '..');
const maxAverageWords = 20;
const maxWords = 40;
const maxLines = 200;

/** What a page breaks, each as a line to print: 'docs/a.md:12: …'. `path` decides the format (.md or man page) and which rules hold. */
export function proseProblems(path: string, text: string): string[] {
  const sentences = path.endsWith('.md') ? markdownSentences(text) : manSentences(text);
  return [...lengthProblems(path, sentences), ...wordProblems(path, sentences), ...pageProblems(path, text)];
}

function lengthProblems(path: string, sentences: Sentence[]): string[] {
  const long = sentences
    .map(({ line, text }) => ({ line, text, words: wordCount(text) }))
    .filter(({ words }) => words > maxWords)
    .map(({ line, text, words }) => `${path}:${line}: ${words} words, at most ${maxWords}: ${text.slice(0, 60)}…`);
  const whole = sentences.filter(({ text }) => /[.!?]$/.test(text)).map(({ text }) => wordCount(text));
  const average = whole.reduce((sum, words) => sum + words, 0) / Math.max(whole.length, 1);
  return average > maxAverageWords ? [...long, `${path}: ${average.toFixed(1)} words a sentence, at most ${maxAverageWords}`] : long;
}

function wordProblems(path: string, sentences: Sentence[]): string[] {
  const holds = ({ except }: ForbiddenWord) => except?.includes(path) !== true;
  return forbiddenWords.filter(holds).flatMap(({ pattern, use }) =>
    sentences.flatMap(({ line, text }) => {
      const found = new RegExp(`\\b(?:${pattern})\\b`, 'i').exec(text);
      return found === null ? [] : [`${path}:${line}: “${found[0]}”: use ${use}`];
    }),
  );
}

/** The length of a page, unless it is made by scripts/docs.ts, which its third line says. */
function pageProblems(path: string, text: string): string[] {
  const lines = text.split('\n').slice(0, -1);
  const isMade = lines.slice(0, 4).some((line) => line.startsWith('<!-- Made from ') && line.includes('scripts/docs.ts: change that'));
  if (!path.startsWith('docs/') || isMade || lines.length <= maxLines) return [];
  return [`${path}: ${lines.length} lines, at most ${maxLines}`];
}

/** What the pages break. */
export function allProblems(): string[] {
  return prosePages().flatMap((path) => proseProblems(path, readFileSync(join(repo, path), 'utf8')));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = allProblems();
  for (const problem of problems) console.error(problem);
  console.log(`Checked the prose of ${prosePages().length} pages: ${problems.length} problems.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
