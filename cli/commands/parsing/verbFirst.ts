import { optionsOf, verbs } from '../table/index.ts';
import type { OptionRow } from '../types.ts';
import { nameOf, unknownInFront } from './mistyped.ts';

/** What `parse` answers by itself, at every place of the command line. */
const answers = ['help', 'h', 'version', 'V'];

/**
 * The command line with its verb in front: `--root DIR status` is `status --root DIR`. Without a verb it stays as it is. Throws `usage` for
 * an option in front of the verb that no verb has: whether the word after it is its value cannot be known.
 */
export function verbFirst(argv: string[]): string[] {
  const options = allOptions();
  let at = 0;
  while (at < argv.length) {
    const word = argv[at]!;
    if (!/^--?[^-=]/.test(word)) break;
    const name = nameOf(word);
    if (!options.has(name) && !answers.includes(name)) throw unknownInFront(word, [...options.keys(), ...answers]);
    at += word.includes('=') || !hasValue(options.get(name), argv[at + 1]) ? 1 : 2;
  }
  const verb = argv[at];
  return at === 0 || verb === undefined || verb.startsWith('-') ? argv : [verb, ...argv.slice(0, at), ...argv.slice(at + 1)];
}

/** Verbs may disagree: `gc --keep 3`, and `try --keep`. Then the word after it tells, which is a verb or a value. */
function hasValue(rows: OptionRow[] = [], next = ''): boolean {
  const flags = rows.filter(({ type }) => type === 'boolean').length;
  return flags === 0 ? rows.length > 0 : flags < rows.length && !verbs.some(({ name }) => name === next);
}

/** By name and by alias, the rows of all verbs. */
function allOptions(): Map<string, OptionRow[]> {
  const rows = new Map<string, OptionRow[]>();
  for (const [name, row] of verbs.flatMap((verb) => Object.entries(optionsOf(verb))))
    for (const each of new Set([name, row.alias ?? name])) rows.set(each, [...(rows.get(each) ?? []), row]);
  return rows;
}
