import { type JsonMember, type JsonNode, readJsonText } from './text.ts';

/** A text with members added to one of its objects, and the exact range that came. */
export interface Added {
  text: string;
  inserted: string;
}

type Entries = readonly (readonly [key: string, value: unknown])[];

const usualIndent = '  ';

/**
 * Adds members after the last one of `object`, which is in `text`, in the style that the text has: its indentation, its line ends, or one
 * line. Every other byte stays.
 */
export function addMembers(text: string, object: JsonNode, entries: Entries): Added {
  const { members = [] } = object;
  const last = members.at(-1);
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const unit = indentOf(text, firstMember(text)) ?? usualIndent;
  if (last !== undefined) {
    const indent = indentOf(text, last);
    const shown = indent === undefined ? oneLine(entries) : severalLines(entries, indent, unit, eol);
    return inserted(text, last.value.end, shown.map((line) => `,${indent === undefined ? ' ' : eol}${line}`).join(''));
  }
  const line = text.slice(text.lastIndexOf('\n', object.start) + 1, object.start);
  const outer = /^\ufeff?([ \t]*)/.exec(line)![1]!;
  const shown = severalLines(entries, outer + unit, unit, eol);
  const rest = text.slice(object.start + 1, object.end - 1);
  const end = rest.includes('\n') ? '' : `${eol}${outer}`;
  return inserted(text, object.start + 1, `${eol}${shown.join(`,${eol}`)}${end}`);
}

/** The text of a new file with these members. */
export function newObject(entries: Entries): string {
  return `{\n${severalLines(entries, usualIndent, usualIndent, '\n').join(',\n')}\n}\n`;
}

/**
 * The text without members of the object, and without the commas that parted them from what stays. Where none stays, the white space between
 * the braces goes as well.
 */
export function cutMembers(text: string, object: JsonNode, keys: readonly string[]): string {
  return runsOf(object, keys).reduceRight((rest, { from, to }) => rest.slice(0, from) + rest.slice(to), text);
}

/** The exact ranges that `cutMembers` takes out, in their order: members one after the other are one range. */
export function runsOf(object: JsonNode, keys: readonly string[]): { from: number; to: number }[] {
  const { members = [] } = object;
  const goes = members.map(({ key }) => keys.includes(key));
  if (members.length > 0 && goes.every(Boolean)) return [{ from: object.start + 1, to: object.end - 1 }];
  const runs: { from: number; to: number }[] = [];
  for (let first = 0; first < members.length; first += 1) {
    if (!goes[first]) continue;
    let last = first;
    while (goes[last + 1]) last += 1;
    const before = members[first - 1];
    const next = members[last + 1];
    if (before !== undefined) runs.push({ from: before.value.end, to: members[last]!.value.end });
    else runs.push({ from: members[first]!.start, to: next!.start });
    first = last;
  }
  return runs;
}

/**
 * The text without a range that was inserted, every other byte kept: also where the comma before or behind it now belongs to what others
 * added. undefined where the range is not there exactly once, or where what is left would be no JSON.
 */
export function withoutRange(text: string, range: string, path: string): string | undefined {
  const at = range === '' ? -1 : text.indexOf(range);
  if (at < 0 || text.indexOf(range, at + 1) >= 0) return undefined;
  const [before, after] = [text.slice(0, at), text.slice(at + range.length)];
  const candidates = [before + after, before + after.replace(/^[ \t\r\n]*,/, ''), before.replace(/,[ \t\r\n]*$/, '') + after];
  return candidates.find((candidate) => isJson(candidate, path));
}

/** Whether two parts of JSON say the same; the order of keys is of no matter. */
export function sameJson(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`);
  return `{${entries.sort().join()}}`;
}

/** Whether it is one object, or blank. */
export function isJson(text: string, path: string): boolean {
  try {
    readJsonText(text, path);
    return true;
  } catch {
    return false;
  }
}

function inserted(text: string, at: number, range: string): Added {
  return { text: text.slice(0, at) + range + text.slice(at), inserted: range };
}

function firstMember(text: string): JsonMember | undefined {
  return readJsonText(text, '')?.members?.[0];
}

/** undefined where it shares its line with something else. */
function indentOf(text: string, member: JsonMember | undefined): string | undefined {
  if (member === undefined) return undefined;
  const from = text.lastIndexOf('\n', member.start) + 1;
  const before = text.slice(from, member.start);
  return from > 0 && /^[ \t]*$/.test(before) ? before : undefined;
}

function severalLines(entries: Entries, indent: string, unit: string, eol: string): string[] {
  return entries.map(([key, value]) => {
    const lines = JSON.stringify(value, null, unit === '' ? 1 : unit).split('\n');
    return `${indent}${JSON.stringify(key)}: ${lines.map((line, index) => (index === 0 ? line : indent + line)).join(eol)}`;
  });
}

function oneLine(entries: Entries): string[] {
  return entries.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
}
