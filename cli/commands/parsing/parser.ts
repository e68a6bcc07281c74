import { optionsOf, verbs } from '../table/index.ts';
import type { OptionValue, Verb } from '../types.ts';
import { verbFirst } from './verbFirst.ts';

export type Parsed = { kind: 'verb'; verb: Verb; words: string[]; options: Record<string, OptionValue> } | { kind: 'text'; text: string };

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

/**
 * A verb and bare flags of its row need no parser. yargs costs as much as the rest of a short command together, and `status` shall start as
 * fast as Node itself; every other command line goes to yargs, which gives the same answer for these (a spec compares them).
 */
export function parsePlainly(argv: string[]): Parsed | undefined {
  const verb = verbs.find((row) => row.name === argv[0]);
  if (verb === undefined || verb.fewest > 0) return undefined;
  const rows = optionsOf(verb);
  const options: Record<string, OptionValue> = {};
  for (const [name, row] of Object.entries(rows)) if (row.default !== undefined) options[name] = row.default;
  for (const word of argv.slice(1)) {
    const name = word.startsWith('--') ? word.slice(2) : undefined;
    if (name === undefined || rows[name]?.type !== 'boolean' || options[name] === true) return undefined;
    options[name] = true;
  }
  return { kind: 'verb', verb, words: [], options };
}
