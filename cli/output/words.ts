import type { Finding, KataError } from '../errors/index.ts';

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** '1.2 GB': decimal units, as disks and networks count. */
export function bytes(count: number): string {
  const power = Math.min(units.length - 1, count < 1000 ? 0 : Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`;
}

/** A text of the host may have lines; none of them may look like a line of kata-sysext. */
function oneText(text: string): string {
  return text.split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/u).join('\n      | ');
}

/** What people see of an error: found, needed, next. */
export function errorText(error: KataError): string[] {
  const { found, needed, next, subject } = error.complaint;
  const about = subject === undefined || subject === '' || found.includes(subject) ? '' : `${oneText(subject)}: `;
  return [
    `error: ${about}${oneText(found)}`,
    `  needed: ${oneText(needed)}`,
    `  next:   ${oneText(next)}`,
    `  code:   ${error.code} (kata-sysext explain ${error.code})`,
  ];
}

const marks = { blocker: '✗', warning: '!', info: '·' };

export function findingLines(findings: Finding[]): string[] {
  return findings.flatMap((finding) => [
    `${marks[finding.level]} ${oneText(finding.found)} [${finding.code}]`,
    `    needed: ${oneText(finding.needed)}`,
    `    next:   ${oneText(finding.next)}`,
  ]);
}

/** Whether a line of `findingLines` says what to do. */
export function isAdvice(line: string): boolean {
  return line.startsWith('    next:   ');
}
