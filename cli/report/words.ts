import type { Finding, KataError } from '../errors/index.ts';

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** '1.2 GB': decimal units, as disks and networks count. */
export function bytes(count: number): string {
  const power = Math.min(units.length - 1, count < 1000 ? 0 : Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`;
}

/** What people see of an error: found, needed, next. */
export function errorText(error: KataError): string[] {
  const { found, needed, next, subject } = error.complaint;
  const about = subject === undefined || subject === '' || found.includes(subject) ? '' : `${subject}: `;
  return [
    `error: ${about}${found}`,
    `  needed: ${needed}`,
    `  next:   ${next}`,
    `  code:   ${error.code} (kata-sysext explain ${error.code})`,
  ];
}

const marks = { blocker: '✗', warning: '!', info: '·' };

export function findingLines(findings: Finding[]): string[] {
  return findings.flatMap((finding) => [
    `${marks[finding.level]} ${finding.found} [${finding.code}]`,
    `    needed: ${finding.needed}`,
    `    next:   ${finding.next}`,
  ]);
}

/** Whether a line of `findingLines` says what to do. */
export function isAdvice(line: string): boolean {
  return line.startsWith('    next:   ');
}
