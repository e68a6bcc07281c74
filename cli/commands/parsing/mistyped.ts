import { KataError } from '../../errors/index.ts';
import { editDistance } from '../../errors/suggest.ts';
import { optionsOf, verbs } from '../table/index.ts';
import { otherWords, topWords } from '../table/otherWords.ts';
import type { Verb } from '../types.ts';

/** The error for a word that is no verb: it names the verb that is meant, if there is one. */
export function unknownVerb(word: string): KataError {
  const known = verbs.find(({ name }) => name === otherWords.get(word));
  const near = nearName(
    word,
    [...verbs, ...topWords].map(({ name }) => name),
  );
  const meant = known ?? verbs.find(({ name }) => name === near);
  const hint = meant === undefined ? '' : known === undefined ? `; did you mean ${meant.name}?` : `; ${meant.name} does that`;
  return new KataError('usage', {
    subject: word,
    found: `there is no verb “${word}”${hint}`,
    needed: meant === undefined ? 'a verb of kata-sysext' : `${usageOf(meant)}: ${meant.summary}`,
    next: meant === undefined ? 'kata-sysext help' : `kata-sysext help ${meant.name}`,
  });
}

/** The error for the first option of the command line that the verb does not have; undefined where it has them all. */
export function unknownOption(argv: string[], verb: Verb): KataError | undefined {
  const rows = Object.entries(optionsOf(verb));
  const names = ['help', 'version', ...rows.flatMap(([name, { alias }]) => [name, ...(alias === undefined ? [] : [alias])])];
  const wrong = optionWords(argv, verb).find((word) => !names.includes(nameOf(word)) && !isCluster(word, names));
  if (wrong === undefined) return undefined;
  const long = names.filter((name) => name.length > 1);
  const near = wrong.startsWith('--') ? nearName(nameOf(wrong), long) : undefined;
  const flag = wrong.split('=', 1)[0]!;
  return new KataError('usage', {
    subject: flag,
    found: `${verb.name} has no option ${flag}${near === undefined ? '' : `; did you mean --${near}?`}`,
    needed: usageOf(verb),
    next: `kata-sysext help ${verb.name}`,
  });
}

export function usageOf(verb: Verb): string {
  return `kata-sysext ${verb.name} ${verb.words} [OPTIONS]`.replace('  ', ' ');
}

/** Words of the command line that are options by their look and no value of the option before them. */
function optionWords(argv: string[], verb: Verb): string[] {
  const rows = Object.entries(optionsOf(verb));
  const valued = new Set(rows.filter(([, { type }]) => type !== 'boolean').flatMap(([name, { alias }]) => [name, alias ?? name]));
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  return words.filter((word, index) => {
    const before = words[index - 1] ?? '';
    const isValue = before.startsWith('-') && !before.includes('=') && valued.has(nameOf(before));
    // '-' is a file; what begins with a digit is a number.
    return !isValue && /^--?[^-\d=]/.test(word);
  });
}

/** '-vo' or '-oFILE': the first letter is an option. */
function isCluster(word: string, names: string[]): boolean {
  return !word.startsWith('--') && names.includes(word.charAt(1));
}

function nameOf(word: string): string {
  return word.replace(/^--?/, '').split('=', 1)[0]!;
}

/** The nearest of the names, if a typing error could make the word of it. */
function nearName(word: string, names: readonly string[]): string | undefined {
  // What is longer is no typing error, and would only cost time.
  if (word.length > 40) return undefined;
  const most = Math.max(1, Math.floor(word.length / 3));
  const ranked = names.map((name) => ({ name, distance: editDistance(word, name) })).sort((a, b) => a.distance - b.distance);
  return ranked.find(({ distance, name }) => distance <= most || (word.length > 3 && name.startsWith(word)))?.name;
}
