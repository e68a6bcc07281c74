import yargs, { type Argv } from 'yargs';
import { didYouMean, KataError } from '../../errors/index.ts';
import { optionsOf, verbs, wordCounts } from '../table/index.ts';
import { topWords } from '../table/otherWords.ts';
import type { OptionRow, OptionValue, Parsed, Verb } from '../types.ts';
import { unknownOption, unknownVerb, usageOf } from './mistyped.ts';

/** The parser for every command line: yargs, with the verb table. Throws KataError `usage`. */
export async function parseFully(argv: string[]): Promise<Parsed> {
  let chosen: { verb: Verb; args: Record<string, unknown> } | undefined;
  // A known verb in front needs only its own row: `status` must start as fast as Node itself.
  const verb = verbs.find((row) => row.name === argv[0]);
  if (verb === undefined && argv[0] !== undefined && !argv[0].startsWith('-')) throw unknownVerb(argv[0]);
  const mistyped = verb === undefined ? undefined : unknownOption(argv.slice(1), verb);
  if (mistyped !== undefined) throw mistyped;
  const rows = verb === undefined ? verbs : [verb];
  const parser = newParser()
    .exitProcess(false)
    // Unlike its types say, yargs gives no message where something was thrown.
    .fail((message: string | null | undefined, error: Error | undefined) => {
      throw error instanceof KataError ? error : usage(message ?? error?.message ?? 'the command line is wrong', verb);
    });
  for (const row of rows) {
    parser.command(
      `${row.name} [words..]`,
      row.summary,
      (own: Argv) => describeVerb(own, row, { help: false }),
      (args: Record<string, unknown>) => {
        chosen = { verb: row, args };
      },
    );
  }
  // What is behind “--” is words, whatever it looks like.
  const end = argv.indexOf('--');
  const [words, behind] = end < 0 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)];
  await parser.parseAsync(words);
  if (chosen === undefined) throw usage('no verb is named');
  return shape(chosen.verb, chosen.args, [...dashes(chosen.verb, words), ...behind]);
}

/** Without verbs, and with nothing of its own: no help, no version, no exit. */
function newParser(): Argv {
  return yargs()
    .scriptName('kata-sysext')
    .locale('en')
    .version(false)
    .help(false)
    .strict()
    .demandCommand(1, 'name a verb')
    .parserConfiguration({
      'boolean-negation': false,
      'duplicate-arguments-array': true,
      'camel-case-expansion': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    });
}

/** The verbs, or the options of one. Throws KataError `usage` for a verb that is none. */
export async function helpFor(name: string | undefined): Promise<string> {
  const parser = newParser();
  const verb = verbs.find((row) => row.name === name);
  if (verb === undefined && name !== undefined) {
    const top = topWords.find((row) => row.name === name);
    if (top === undefined) throw unknownVerb(name);
    return `kata-sysext ${top.name} ${top.words}`.trimEnd().concat(`\n\n${top.summary}`);
  }
  if (verb === undefined) {
    parser.usage('$0 VERB [OPTIONS]\n\nInstalls Kata Containers on read-only hosts, as a transaction.');
    for (const row of [...verbs, ...topWords]) parser.command(row.name, row.summary);
  } else describeVerb(parser, verb, { help: true });
  const words = await parser
    .wrap(helpWidth(process.stdout.columns))
    .epilogue('Every verb takes --help (-h), --root DIR, --json and --progress. Error codes: kata-sysext explain.')
    .getHelp();
  return words.replaceAll('kata-sysext kata-sysext', 'kata-sysext');
}

const [narrowest, widest] = [40, 110];

/** Columns that help is wrapped to. A serial line says 0: its width is not known; in less than the narrowest nothing could be read. */
export function helpWidth(columns: number | undefined): number {
  if (columns === undefined) return widest;
  return columns < 1 ? 80 : Math.min(widest, Math.max(narrowest, columns));
}

/** A value that is no choice gets kata-sysext's words (`checked`), not those of yargs. */
function describeVerb(own: Argv, verb: Verb, { help }: { help: boolean }): Argv {
  own.usage(`${usageOf(verb).replace('kata-sysext', '$0')}\n\n${verb.summary}`);
  for (const [name, row] of Object.entries(optionsOf(verb))) {
    own.option(name, {
      type: row.type === 'list' ? 'array' : row.type,
      describe: row.placeholder === undefined ? row.describe : `${row.describe} (${row.placeholder})`,
      alias: row.alias,
      choices: help ? row.choices : undefined,
      ...(row.default === undefined ? {} : { default: row.default }),
      requiresArg: row.type !== 'boolean',
      nargs: row.type === 'list' ? 1 : undefined,
    });
  }
  for (const { command, does } of verb.examples) own.example(command, does);
  return own;
}

function shape(verb: Verb, args: Record<string, unknown>, behind: string[]): Parsed {
  const given = args['words'];
  const words = [...(Array.isArray(given) ? given.map(String) : []), ...behind];
  if (words.includes('')) throw usage(`${verb.name} with an empty word`, verb);
  const { fewest, most } = wordCounts(verb);
  if (words.length < fewest) throw usage(`${verb.name} needs ${verb.words}`, verb);
  if (words.length > most)
    throw usage(
      `${verb.name} takes ${verb.words === '' ? 'no words' : verb.words}, not “${words.join(' ')}”${strayHint(verb, words)}`,
      verb,
    );
  const options: Record<string, OptionValue> = {};
  for (const [name, row] of Object.entries(optionsOf(verb))) {
    const value = args[name];
    if (value === undefined) continue;
    options[name] = checked(name, row, value, verb);
  }
  return { kind: 'verb', verb, words, options };
}

/** Standard input by its usual name, which yargs drops where a command has a list of words. */
function dashes(verb: Verb, argv: string[]): string[] {
  return verb.words.includes('|-]') ? argv.filter((word) => word === '-') : [];
}

/** One word too many is most often the value of an option. */
function strayHint({ stray }: Verb, words: string[]): string {
  const [word = '', ...more] = words;
  return stray !== undefined && more.length === 0 && stray.like.test(word) ? `; did you mean --${stray.option} ${word}?` : '';
}

function checked(name: string, row: OptionRow, value: unknown, verb: Verb): OptionValue {
  // A variable of a script that is not set: --root "$TREE" must not become the caller's working folder.
  if ((Array.isArray(value) ? value : [value]).includes('')) throw usage(`--${name} with an empty value`, verb);
  if (row.type === 'list') return (Array.isArray(value) ? value : [value]).map(String);
  if (Array.isArray(value)) throw usage(`--${name} is given more than once`, verb);
  if (row.type === 'number' && (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0))
    throw usage(`--${name} takes a whole number`, verb);
  if (row.choices !== undefined && !row.choices.includes(String(value)))
    throw new KataError('usage', {
      subject: `--${name}`,
      found: `--${name} ${String(value)}${didYouMean(String(value), row.choices)}`,
      needed: `one of ${row.choices.join(', ')}`,
      next: `kata-sysext help ${verb.name}`,
    });
  return value as OptionValue;
}

function usage(found: string, verb?: Verb): KataError {
  return new KataError('usage', {
    found,
    needed: verb === undefined ? 'kata-sysext VERB [OPTIONS]' : usageOf(verb),
    next: verb === undefined ? 'kata-sysext help' : `kata-sysext help ${verb.name}`,
  });
}
