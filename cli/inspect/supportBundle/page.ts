import { kinds, type Redaction } from './redact/index.ts';
import type { Asked, Section } from './types.ts';

/** The report as a text that people read in an editor before they send it: Markdown with indented blocks, which nothing inside can end. */
export function page({ program, verbose }: Asked, sections: Section[], redacted: Redaction[]): string {
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
