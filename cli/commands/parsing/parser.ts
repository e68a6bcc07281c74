import { optionsOf, verbs, wordCounts } from '../table/index.ts';
import type { OptionRow, OptionValue, Parsed } from '../types.ts';
import { nameOf, unknownInFront } from './mistyped.ts';

/**
 * Turns argv into a verb and its options, which may come before it, or into the help or version text that was asked for: `--help`, `-h`,
 * `help [VERB]`, no word at all; `--version`, `-V`, `version`. Throws KataError `usage`.
 */
export async function parse(given: string[], version: string): Promise<Parsed> {
  const argv = given[0]?.startsWith('-') === true ? verbFirst(given) : given;
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const has = (...flags: string[]) => flags.some((flag) => words.includes(flag));
  if (has('--version', '-V') || words[0] === 'version')
    return { kind: 'text', text: has('--json') ? JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Version', version }) : version };
  const plain = parsePlainly(argv);
  if (plain !== undefined) return plain;
  const { helpFor, parseFully } = await import('./fullParser.ts');
  if (words.length === 0 || has('--help', '-h') || words[0] === 'help') return { kind: 'text', text: await helpFor(helped(words)) };
  return parseFully(argv);
}

/** The verb that help is asked for: the first word that is no option, behind `help` itself. */
function helped(words: string[]): string | undefined {
  return (words[0] === 'help' ? words.slice(1) : words.slice(0, 1)).find((word) => !word.startsWith('-'));
}

/** What any parser takes for a word, or for the value of the option before it. */
const plainly = /^[\w./:@+][\w./:@+-]*$/;

/**
 * A verb, plain words, flags and plain values of its row need no parser. yargs costs as much as the rest of a short command together, and
 * `status` shall start as fast as Node itself; every other command line goes to yargs, which gives the same answer for these (a spec compares
 * them).
 */
export function parsePlainly(argv: string[]): Parsed | undefined {
  const verb = verbs.find((row) => row.name === argv[0]);
  if (verb === undefined) return undefined;
  const rows = optionsOf(verb);
  const given: Record<string, OptionValue> = {};
  const words: string[] = [];
  for (let at = 1; at < argv.length; at += 1) {
    const word = argv[at]!;
    const name = word.startsWith('--') ? word.slice(2) : undefined;
    // yargs takes these for the value of a flag in front.
    if (name === undefined && plainly.test(word) && !['true', 'false'].includes(word)) words.push(word);
    else if (name !== undefined && Object.hasOwn(rows, name)) {
      const value = plainValue(rows[name]!, given[name], argv[at + 1]);
      if (value === undefined) return undefined;
      given[name] = value;
      if (value !== true) at += 1;
    } else return undefined;
  }
  const { fewest, most } = wordCounts(verb);
  if (words.length < fewest || words.length > most) return undefined;
  const defaults = Object.entries(rows).flatMap(([name, row]) => (row.default === undefined ? [] : [[name, row.default] as const]));
  return { kind: 'verb', verb, words, options: { ...Object.fromEntries(defaults), ...given } };
}

/** What an option has with the word behind it, where that is plain; `before` is what it had. */
function plainValue({ type, choices }: OptionRow, before: OptionValue | undefined, word = ''): OptionValue | undefined {
  if (type === 'list' && plainly.test(word)) return [...(Array.isArray(before) ? before : []), word];
  if (before !== undefined) return undefined;
  if (type === 'boolean') return true;
  return type === 'string' && plainly.test(word) && (choices === undefined || choices.includes(word)) ? word : undefined;
}

/** What `parse` answers by itself, at every place of the command line. */
const answers = ['help', 'h', 'version', 'V'];

/**
 * The command line with its verb in front: `--root DIR status` is `status --root DIR`. Without a verb it stays as it is. Throws `usage` for
 * an option in front of the verb that no verb has: whether the word after it is its value cannot be known.
 */
function verbFirst(argv: string[]): string[] {
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
