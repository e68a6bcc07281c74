import { KataError } from '../../errors/index.ts';
import { didYouMean, nearName } from '../../errors/suggest.ts';
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
  const flag = wrong.split('=', 1)[0]!;
  return new KataError('usage', {
    subject: flag,
    found: `${verb.name} has no option ${flag}${meantOption(wrong, names)}`,
    needed: usageOf(verb),
    next: `kata-sysext help ${verb.name}`,
  });
}

/** The error for an option in front of the verb that no verb has. */
export function unknownInFront(word: string, names: string[]): KataError {
  const flag = word.split('=', 1)[0]!;
  return new KataError('usage', {
    subject: flag,
    found: `no verb has an option ${flag}${meantOption(word, names)}`,
    needed: 'kata-sysext VERB [OPTIONS]',
    next: 'kata-sysext help',
  });
}

function meantOption(word: string, names: string[]): string {
  const long = names.filter((name) => name.length > 1);
  return word.startsWith('--') ? didYouMean(nameOf(word), long, '--') : '';
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

export function nameOf(word: string): string {
  return word.replace(/^--?/, '').split('=', 1)[0]!;
}
