import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { changeOptions, commonOptions, verbs } from '../cli/commands/table/index.ts';
import type { OptionRow, Verb } from '../cli/commands/types.ts';
import { codes, exitText } from '../cli/errors/index.ts';
import { withGenerated } from './pages/firstBoot.ts';
import { handlersPage } from './pages/handlersPage.ts';
import { filesPage } from './pages/hostFiles.ts';
import { jsonPage } from './pages/jsonPage.ts';
import { kubernetesExamples } from './pages/kubernetes.ts';
import { manPage } from './pages/man.ts';
import { withRenderersTable } from './pages/renderersTable.ts';
import { allStatuses, signalStatus, statuses } from './pages/statuses.ts';
import { withTiersTable } from './pages/tiersTable.ts';

const hostsPage = 'docs/reference/hosts.md';
/** Pages that show what `generate` writes. */
export const firstBootPages = ['first-boot', 'first-boot-rendered', 'openshift', 'os-images'].map((name) => `docs/guides/${name}.md`);

/** Pages that are made from the program's own tables, whole or in part: path from the repository's root → text. */
export async function pages(): Promise<Record<string, string>> {
  const firstBoot: Record<string, string> = {};
  for (const name of firstBootPages) {
    const { page, examples } = await withGenerated(onDisk(name) ?? '');
    Object.assign(firstBoot, { [name]: page }, examples);
  }
  return {
    'docs/reference/commands.md': commandsPage(),
    'docs/reference/errors.md': errorsPage(),
    'docs/reference/handlers.md': page(handlersPage(note('overlays/handlers.json, overlays/modules.json and overlays/needs.json'), table)),
    [hostsPage]: withRenderersTable(onDisk(hostsPage) ?? '', table),
    'docs/reference/files.md': page(filesPage(note('scripts/pages/hostFiles.ts'), table)),
    'docs/reference/json.md': page(jsonPage(note('schema/'), table)),
    'man/kata-sysext.8': manPage(),
    ...firstBoot,
    ...kubernetesExamples(),
    'README.md': withTiersTable(onDisk('README.md') ?? '', table),
  };
}

/** Those of the pages whose text on the disk is another one, or not there: their paths. */
export function stalePages(made: Record<string, string>): string[] {
  return Object.entries(made).flatMap(([path, text]) => (onDisk(path) === text ? [] : [path]));
}

const note = (source: string) => `<!-- Made from ${source} by scripts/docs.ts: change that, then run npx tsx scripts/docs.ts -->`;

function commandsPage(): string {
  return page([
    '# Commands',
    note('cli/commands/table/'),
    'From a checkout, `npm run -s cli -- VERB ...` is the same as `kata-sysext VERB ...`.',
    table(
      ['verb', 'what it does', 'changes the host'],
      verbs.map((verb) => [`[\`${verb.name}\`](#${verb.name})`, verb.summary, verb.changing ? 'yes' : 'no']),
    ),
    '## Options of every verb',
    optionTable(commonOptions),
    'Results go to standard output, progress and errors to standard error. `kata-sysext help VERB`, or `--help` (`-h`) after a verb, prints its options; without a verb, or alone, `kata-sysext` lists the verbs. `kata-sysext version`, or `--version` (`-V`), prints the version.',
    '## Options of every verb that changes the host',
    optionTable(changeOptions),
    'The program never asks a question: the command line has all that a change needs to know.',
    ...verbs.flatMap(verbSection),
  ]);
}

function verbSection(verb: Verb): string[] {
  // An option that belongs to all changing verbs may also be named in a row of its own.
  const own = verb.options === undefined ? [] : [optionTable(verb.options)];
  const examples = verb.examples.map(({ command, does }) => `# ${does}\n${command}`).join('\n\n');
  return [
    `## ${verb.name}`,
    `\`${['kata-sysext', verb.name, verb.words].filter((word) => word !== '').join(' ')}\``,
    `${sentence(verb.summary)}`,
    ...own,
    fenced(examples),
  ];
}

function optionTable(options: Record<string, OptionRow>): string {
  return table(
    ['option', 'meaning', 'default'],
    Object.entries(options).map(([name, row]) => [
      optionName(name, row),
      meaning(row),
      row.default === undefined ? '' : `\`${String(row.default)}\``,
    ]),
  );
}

function optionName(name: string, { placeholder, alias }: OptionRow): string {
  const value = placeholder === undefined ? '' : ` ${placeholder}`;
  const other = alias === undefined ? '' : `, \`${alias.length === 1 ? '-' : '--'}${alias}${value}\``;
  return `\`--${name}${value}\`${other}`;
}

function meaning({ describe, choices, type }: OptionRow): string {
  const values = choices === undefined ? '' : `: ${choices.map((choice) => `\`${choice}\``).join(', ')}`;
  return `${describe}${values}${type === 'list' ? ' (may be given several times)' : ''}`;
}

function errorsPage(): string {
  return page([
    '# Exit statuses and error codes',
    note('cli/errors/codes/'),
    'An error names its code, what was found, what was needed and what to do next. `kata-sysext explain CODE` prints a row of this page. A code marked with *yes* can be overridden: `--allow CODE`.',
    table(['exit status', 'meaning'], allStatuses),
    ...statuses.flatMap(({ exit }) => [`## Exit status ${exit}`, table(['code', 'meaning', '--allow'], rowsOf(String(exit)))]),
    `## Exit status ${signalStatus}`,
    `N is the number of the signal: 130 for ^C (SIGINT), 143 for SIGTERM. Without a signal, after a fault of the program itself, it is 1.`,
    table(['code', 'meaning', '--allow'], rowsOf(signalStatus)),
  ]);
}

function rowsOf(exit: string): string[][] {
  return Object.entries(codes)
    .filter(([, row]) => exitText(row) === exit)
    .map(([code, row]) => [`\`${code}\``, row.explain, row.overridable ? 'yes' : '']);
}

function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

function fenced(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function page(blocks: string[]): string {
  return `${blocks.join('\n\n')}\n`;
}

function onDisk(path: string): string | undefined {
  try {
    return readFileSync(fileOf(path), 'utf8');
  } catch {
    return undefined;
  }
}

function fileOf(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}

/** `tsx scripts/docs.ts` writes the pages; with --check it names the stale ones and ends with 1. */
async function main(check: boolean): Promise<number> {
  const made = await pages();
  const stale = stalePages(made);
  for (const path of stale) {
    if (check) console.error(`${path} is stale: npx tsx scripts/docs.ts`);
    else {
      mkdirSync(new URL('.', fileOf(path)), { recursive: true });
      writeFileSync(fileOf(path), made[path]!);
    }
  }
  return check && stale.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main(process.argv.includes('--check'));
