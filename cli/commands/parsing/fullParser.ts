import yargs, { type Argv } from 'yargs';
import { KataError } from '../../errors/index.ts';
import { optionsOf, verbs } from '../table/index.ts';
import type { OptionRow, OptionValue, Verb } from '../types.ts';
import type { Parsed } from './parser.ts';

/** The parser for every command line: yargs, told by the verb table. Gives help as text. Throws KataError `usage`. */
export async function parseFully(argv: string[]): Promise<Parsed> {
  let chosen: { verb: Verb; args: Record<string, unknown> } | undefined;
  // A known verb in front needs only its own row: `status` must start as fast as Node itself.
  const first = verbs.filter((verb) => verb.name === argv[0]);
  const rows = first.length === 1 ? first : verbs;
  const parser = yargs()
    .scriptName('kata-sysext')
    .locale('en')
    .version(false)
    .help(false)
    .usage('$0 VERB [OPTIONS]\n\nInstalls Kata Containers on read-only hosts, as a transaction.')
    .strict()
    .recommendCommands()
    .demandCommand(1, 'name a verb')
    .parserConfiguration({
      'boolean-negation': false,
      'duplicate-arguments-array': true,
      'camel-case-expansion': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .exitProcess(false)
    // Unlike its types say, yargs gives no message where something was thrown.
    .fail((message: string | null | undefined, error: Error | undefined) => {
      throw error instanceof KataError
        ? error
        : usage(
            first[0] === undefined && argv[0] !== undefined
              ? `there is no verb “${argv[0]}”. ${message ?? ''}`
              : (message ?? error?.message ?? 'the command line is wrong'),
            first[0],
          );
    });
  if (argv.includes('--help')) return { kind: 'text', text: await helpText(parser, argv[0]) };
  for (const verb of rows) {
    parser.command(
      verb.words === '' ? verb.name : `${verb.name} [words..]`,
      verb.summary,
      (own: Argv) => describeVerb(own, verb),
      (args: Record<string, unknown>) => {
        chosen = { verb, args };
      },
    );
  }
  await parser.parseAsync(argv);
  if (chosen === undefined) throw usage('no verb is named');
  return shape(chosen.verb, chosen.args);
}

async function helpText(parser: Argv, name: string | undefined): Promise<string> {
  const verb = verbs.find((row) => row.name === name);
  if (verb === undefined) for (const row of verbs) parser.command(row.name, row.summary);
  else describeVerb(parser, verb);
  const width = Math.min(110, process.stdout.columns ?? 110);
  const words = await parser
    .wrap(width)
    .epilogue('Every verb takes --help, --root DIR, --json and --progress. Error codes: kata-sysext explain.')
    .getHelp();
  return words.replaceAll('kata-sysext kata-sysext', 'kata-sysext');
}

function describeVerb(own: Argv, verb: Verb): Argv {
  own.usage(`$0 ${verb.name} ${verb.words} [OPTIONS]\n\n${verb.summary}`);
  for (const [name, row] of Object.entries(optionsOf(verb))) {
    own.option(name, {
      type: row.type === 'list' ? 'array' : row.type,
      describe: row.placeholder === undefined ? row.describe : `${row.describe} (${row.placeholder})`,
      ...(row.alias === undefined ? {} : { alias: row.alias }),
      ...(row.choices === undefined ? {} : { choices: row.choices }),
      ...(row.default === undefined ? {} : { default: row.default }),
      ...(row.type === 'boolean' ? {} : { requiresArg: true }),
      ...(row.type === 'list' ? { nargs: 1 } : {}),
    });
  }
  for (const { command, does } of verb.examples) own.example(command, does);
  return own;
}

function shape(verb: Verb, args: Record<string, unknown>): Parsed {
  const given = args['words'];
  const words = Array.isArray(given) ? given.map(String) : [];
  if (words.includes('')) throw usage(`${verb.name} with an empty word`, verb);
  if (words.length < verb.fewest) throw usage(`${verb.name} needs ${verb.words}`, verb);
  if (words.length > verb.most)
    throw usage(`${verb.name} takes ${verb.words === '' ? 'no words' : verb.words}, not “${words.join(' ')}”`, verb);
  const options: Record<string, OptionValue> = {};
  for (const [name, row] of Object.entries(optionsOf(verb))) {
    const value = args[name];
    if (value === undefined) continue;
    options[name] = checked(name, row, value, verb);
  }
  return { kind: 'verb', verb, words, options };
}

function checked(name: string, row: OptionRow, value: unknown, verb: Verb): OptionValue {
  // A variable of a script that is not set: --root "$TREE" must not become the folder where the caller stands.
  if ((Array.isArray(value) ? value : [value]).includes('')) throw usage(`--${name} with an empty value`, verb);
  if (row.type === 'list') return (Array.isArray(value) ? value : [value]).map(String);
  if (Array.isArray(value)) throw usage(`--${name} is given more than once`, verb);
  if (row.type === 'number' && (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0))
    throw usage(`--${name} takes a whole number`, verb);
  return value as OptionValue;
}

function usage(found: string, verb?: Verb): KataError {
  const line = verb === undefined ? 'kata-sysext VERB [OPTIONS]' : `kata-sysext ${verb.name} ${verb.words} [OPTIONS]`.replace('  ', ' ');
  return new KataError('usage', {
    found,
    needed: line,
    next: verb === undefined ? 'kata-sysext --help' : `kata-sysext ${verb.name} --help`,
  });
}
