import { type FailureRow, failureTable } from './table.ts';

/** What is read of an input at most; an event or the end of a log is a few kilobytes. */
export const maxInputBytes = 1024 * 1024;
const maxLines = 10_000;
/** Of a line; what follows is not looked at. */
const maxLineChars = 8 * 1024;
const shownChars = 200;

export interface KnownFailure {
  id: string;
  cause: string;
  /** Commands, in the order in which they help. */
  next: string[];
  source: string;
  /** How many lines say it, and the first of them, around the words by which it was known. */
  lines: number;
  first: string;
}

export interface Explanation {
  /** In the order in which the input names them. */
  failures: KnownFailure[];
  /** Lines that were read, and whether there were more. */
  lines: number;
  cut: boolean;
}

/** The known failures in a text. Time is linear in the text; of its words only names with the form of a handler's come into a command. */
export function explainText(text: string, rows: FailureRow[] = failureTable()): Explanation {
  const all = text.slice(0, maxInputBytes).split('\n', maxLines + 1);
  if (all.at(-1) === '') all.pop();
  const lines = all.slice(0, maxLines);
  const found = new Map<string, KnownFailure>();
  const ofLogs = rows.filter(({ answerOnly }) => answerOnly !== true);
  for (const raw of lines) {
    const line = plain(raw.slice(0, maxLineChars));
    const row = rowOf(ofLogs, line);
    if (row === undefined) continue;
    const known = found.get(row.id);
    if (known !== undefined) known.lines += 1;
    else
      found.set(row.id, { id: row.id, cause: row.cause, next: nextOf(row, line), source: row.source, lines: 1, first: around(row, line) });
  }
  return { failures: [...found.values()], lines: lines.length, cut: text.length > maxInputBytes || all.length > maxLines };
}

/** What an engine's answer means, to a pod that did not start. Its lines count as one: the cause of a chain of errors is in its last lines. */
export function explainAnswer(answer: string): Pick<KnownFailure, 'id' | 'cause' | 'next'> | undefined {
  const line = plain(answer.slice(0, maxLineChars).replace(/\s+/g, ' '));
  const row = rowOf(failureTable(), line);
  return row === undefined ? undefined : { id: row.id, cause: row.cause, next: nextOf(row, line) };
}

function rowOf(rows: FailureRow[], line: string): FailureRow | undefined {
  const low = line.toLowerCase();
  return rows.find(({ any }) => any.some((words) => words.every((word) => low.includes(word))));
}

/** Logs quote what is quoted already, some of them twice. A run of backslashes is tried only from its first one: else its square would count. */
function plain(line: string): string {
  return line.replace(/(?<!\\)\\+"/g, '"').replace(/\r$/, '');
}

/** The text around the first word by which the line was known. */
function around({ any }: FailureRow, line: string): string {
  const low = line.toLowerCase();
  const words = any.find((each) => each.every((word) => low.includes(word))) ?? [];
  const from = Math.max(0, Math.min(...words.map((word) => low.indexOf(word))) - shownChars / 2);
  const part = line.slice(from, from + shownChars).trim();
  return `${from > 0 ? '…' : ''}${part}${from + shownChars < line.length ? '…' : ''}`;
}

/** The names that containerd's and CRI-O's tables, RuntimeClasses and the command line of kata-sysext take (RFC 1123 labels, at most 63 characters). */
const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?=["'\s]|$)/;

function nextOf({ next, name, nextNamed }: FailureRow, line: string): string[] {
  if (name === undefined || nextNamed === undefined) return next;
  for (const text of name.after) {
    const at = line.indexOf(text);
    const found = at < 0 ? undefined : namePattern.exec(line.slice(at + text.length, at + text.length + 64))?.[0];
    if (found !== undefined) return nextNamed.map((command) => command.replaceAll('{name}', found));
  }
  return next;
}
