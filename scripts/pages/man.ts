import { changeOptions, commonOptions, verbs } from '../../cli/commands/table/index.ts';
import type { OptionRow, Verb } from '../../cli/commands/types.ts';
import { codes, exitText } from '../../cli/errors/index.ts';
import { version } from '../../cli/version.ts';
import { manFiles } from './hostFiles.ts';
import { filled, quoted, roff, tagged } from './roff.ts';
import { allStatuses } from './statuses.ts';

/** When this text, as far as it is not made from tables, was last changed: pages have a date, and the same sources give the same bytes. */
const written = '2026-11-29';

const description = [
  'kata-sysext installs Kata Containers on hosts whose operating system is read-only, and treats the host as a transaction. It makes an immutable payload of a release, a numbered generation of the payload, adds the smallest possible edit to the configuration of the container engine, and proves that the result works. Otherwise every byte is put back.',
  'A change that runs on a live host is done by a unit of its own: it goes on when the terminal or the ssh session ends, and ^C asks it to undo. The program never asks a question: the command line has all that a change needs to know.',
  'Results go to standard output, progress and errors to standard error. `help VERB`, or `--help` (`-h`) after a verb, shows its options; `version`, or `--version` (`-V`), prints the version.',
];

const environment: [string, string][] = [
  ['DBUS_SYSTEM_BUS_ADDRESS', 'Where systemd is asked, if it is not at its usual place.'],
  ['PATH', 'Not used: other programs are looked for in /usr/bin, /usr/sbin, /bin and /sbin.'],
];

/** kata-sysext(8) in the macros of man(7), which every roff has. */
export function manPage(): string {
  return `${[
    '.\\" Made from cli/commands/table/ and cli/errors/codes/ by scripts/docs.ts: change those, then run npx tsx scripts/docs.ts',
    `.TH KATA-SYSEXT 8 ${written} "kata-sysext ${version}" "System Administration"`,
    ...section('NAME', [`kata-sysext \\- ${roff('install Kata Containers on read-only hosts, as a transaction')}`]),
    ...section('SYNOPSIS', ['.B kata\\-sysext', '.I VERB', roff('[OPTIONS]')]),
    ...section('DESCRIPTION', paragraphs(description)),
    ...section('VERBS', verbs.flatMap(verbLines)),
    ...section('OPTIONS OF EVERY VERB', optionLines(commonOptions)),
    ...section('OPTIONS OF EVERY VERB THAT CHANGES THE HOST', optionLines(changeOptions)),
    ...section('EXIT STATUS', pairs(allStatuses)),
    ...section('FILES', pairs(manFiles())),
    ...section('ENVIRONMENT', pairs(environment)),
    ...section('ERROR CODES', [
      ...filled(
        'An error names its code. The number is the exit status (N is the signal that asked for it); a code with `--allow` can be overridden.',
      ),
      ...Object.entries(codes).flatMap(([code, row]) =>
        tagged(`${code} (${exitText(row)}${row.overridable ? ', --allow' : ''})`, row.explain),
      ),
    ]),
    ...section('SEE ALSO', ['.BR systemd\\-sysext (8),', '.BR containerd (8),', '.BR crio (8),', '.BR journalctl (1)']),
  ].join('\n')}\n`;
}

function section(name: string, lines: string[]): string[] {
  return [`.SH ${name.includes(' ') ? `"${name}"` : name}`, ...lines];
}

function paragraphs(texts: string[]): string[] {
  return texts.flatMap((text, index) => (index === 0 ? filled(text) : ['.PP', ...filled(text)]));
}

function pairs(rows: [string, string][]): string[] {
  return rows.flatMap(([tag, text]) => tagged(tag, text));
}

function verbLines(verb: Verb): string[] {
  const summary = `${verb.summary.charAt(0).toUpperCase()}${verb.summary.slice(1)}.`;
  return [
    `.SS ${quoted([verb.name, verb.words].filter((word) => word !== '').join(' '))}`,
    ...filled(summary),
    ...optionLines(verb.options ?? {}),
    ...verb.examples.flatMap(({ command, does }) => ['.PP', ...filled(`${does}:`), '.PP', '.RS 4', '.nf', roff(command), '.fi', '.RE']),
  ];
}

function optionLines(options: Record<string, OptionRow>): string[] {
  return Object.entries(options).flatMap(([name, row]) => {
    const { alias, placeholder, choices } = row;
    const flags = [`--${name}`, ...(alias === undefined ? [] : [alias.length === 1 ? `-${alias}` : `--${alias}`])];
    const tag = flags.map((flag) => `\\fB${roff(flag)}\\fR${placeholder === undefined ? '' : ` \\fI${roff(placeholder)}\\fR`}`).join(', ');
    const more = [
      choices === undefined ? '' : `: ${choices.map((choice) => `\`${choice}\``).join(', ')}`,
      row.type === 'list' ? ' (may be given several times)' : '',
      row.default === undefined ? '' : ` (default: \`${String(row.default)}\`)`,
    ];
    return ['.TP', tag, ...filled(`${row.describe}${more.join('')}`)];
  });
}
