import { setTimeout as sleep } from 'node:timers/promises';
import { KataError } from '../../errors/index.ts';
import { engineSections } from './engineSections.ts';
import { hostSections } from './hostSections.ts';
import { readKnown } from './known.ts';
import { kinds, type Redaction, type Redactor, redactor } from './redact/index.ts';
import { stateSections } from './stateSections.ts';
import type { Asked, Report, Section, SectionRow } from './types.ts';

export type { Report } from './types.ts';

const sectionRows: readonly SectionRow[] = [...hostSections, ...stateSections, ...engineSections];

const usualLimitMs = 10_000;
const knownLimitMs = 60_000;
const most = { lines: 1500, chars: 2000, sectionChars: 200_000 };

/**
 * What a bug report needs to know of this host, without secrets, names and addresses. Reads only. A section that fails or takes too long
 * says so. Throws KataError `interrupted` after a signal, and `failed` when the names of the host cannot be read in time: what is not known
 * could not be taken out.
 */
export async function makeReport(asked: Asked): Promise<Report> {
  const known = await within(readKnown(asked.host), knownLimitMs);
  if (known === undefined) throw unknownNames();
  const words = redactor(known);
  const sections: Section[] = [];
  // One after the other: what is asked at the same time makes the times of a busy host worse.
  for (const row of sectionRows) {
    if (asked.signal.aborted) throw interrupted();
    sections.push(await sectionOf(row, asked, words));
  }
  const redacted = words.counts();
  return { text: page(asked, sections, redacted), sections, redacted };
}

async function sectionOf(row: SectionRow, asked: Asked, words: Redactor): Promise<Section> {
  const base = { name: row.name, title: row.title };
  const limitMs = row.limitMs ?? usualLimitMs;
  const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(limitMs)]);
  try {
    const raw = await within(row.lines({ ...asked, signal }), limitMs);
    if (raw === undefined) return { ...base, lines: [], missing: `it was not there after ${limitMs / 1000} s` };
    return { ...base, ...bounded(raw, words) };
  } catch (error) {
    return { ...base, lines: [], missing: bounded([reasonOf(error)], words).lines.join(' ') };
  }
}

/** undefined when it is late; then it is not waited for any more. */
async function within<T>(work: Promise<T>, limitMs: number): Promise<T | undefined> {
  const timer = new AbortController();
  const late = sleep(limitMs, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof KataError) return `${error.complaint.found} [${error.code}]`;
  return error instanceof Error ? error.message : String(error);
}

/** Redacted first and cut then: half of a secret would not be known again. Lines too long to be read are left out before. */
function bounded(raw: string[], words: Redactor): { lines: string[]; missing?: string | undefined } {
  const lines = raw
    .flatMap((line) => line.split('\n'))
    .map((line) => (line.length > most.chars ? `(a line of ${line.length} characters is left out)` : line));
  const fitting: string[] = [];
  let chars = 0;
  for (const line of lines.slice(0, most.lines)) {
    chars += line.length + 1;
    if (chars > most.sectionChars) break;
    fitting.push(line);
  }
  const left = lines.length - fitting.length;
  const shown = lines.length === 0 ? ['none'] : words.redact(fitting.join('\n')).split('\n');
  return { lines: shown, missing: left === 0 ? undefined : `${left} more lines are left out` };
}

function interrupted(): KataError {
  return new KataError('interrupted', {
    found: 'the report was interrupted; no file was made',
    needed: 'some seconds',
    next: 'run the command again',
  });
}

function unknownNames(): KataError {
  return new KataError('failed', {
    subject: '/etc',
    found: `the configuration of this host could not be read in ${knownLimitMs / 1000} s`,
    needed: 'to know what must not be shown',
    next: 'look whether a file system hangs: findmnt; then run the command again',
  });
}

/** The report as a text that people read in an editor before they send it: Markdown with indented blocks, which nothing inside can end. */
function page({ program, verbose }: Asked, sections: Section[], redacted: Redaction[]): string {
  return `${[
    '# kata-sysext report',
    `Made by kata-sysext ${program}${verbose ? ' --verbose' : ''}. Please read it before you send it.`,
    'What is inside, each in a section below:',
    sections.map(({ title, missing }) => `- ${title}${missing === undefined ? '' : ' (not all of it)'}`).join('\n'),
    'What is not inside: contents of the engine’s configuration except names of tables and a few keys, environments of units, keys, certificates, pods.',
    'Passwords, tokens, names of hosts and users, addresses and identifiers are replaced by placeholders such as `<host-1>`: the same value by the same placeholder everywhere. The end says how often. What is replaced is found by rules, and a rule may miss something: that is why you should read it.',
    ...sections.flatMap(({ title, lines, missing }) => [
      `## ${title}`,
      ...(lines.length === 0 ? [] : [lines.map((line) => `    ${line}`.trimEnd()).join('\n')]),
      ...(missing === undefined ? [] : [`*Missing: ${missing}*`]),
    ]),
    '## What was replaced',
    summary(redacted),
  ].join('\n\n')}\n`;
}

function summary(redacted: Redaction[]): string {
  if (redacted.length === 0) return 'Nothing.';
  const rows = redacted.map(({ kind, different, times }) => `| \`<${kind}-N>\` | ${kinds[kind]} | ${different} | ${times} |`);
  return ['| placeholder | what it replaces | different values | times |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
