import { isDeepStrictEqual } from 'node:util';
import toml from '@iarna/toml';
import { KataError } from '../../errors/index.ts';
import { isTable, parseDocument, type TomlTable } from './document.ts';

/**
 * The text as two parsers that share no code read it, both strict about TOML 1.0. iarna refuses CRLF after a comment and a byte order
 * mark, so it gets the text without them. It sees no text that the first has not read: its tables inherit from Object.prototype, and keys
 * that are inherited lead it there.
 */
export function readings(text: string, path: string): TomlTable[] {
  const first = parseDocument(text, path).value;
  try {
    const second = toml.parse(text.replace(/^\ufeff/, '').replace(/\r\n/g, '\n'));
    return [first, second].map((value) => plain(value) as TomlTable);
  } catch (cause) {
    throw new KataError('engine-config-invalid', {
      subject: path,
      found: `${path}${placeOf(cause)} is read by one TOML 1.0 parser and refused by a second: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}.`,
      needed: 'A configuration that every TOML 1.0 parser reads the same way.',
      next: `Repair ${path}.`,
      cause,
    });
  }
}

/** The second parser counts lines from 0. */
function placeOf(cause: unknown): string {
  const { line, col } = cause as { line?: unknown; col?: unknown };
  return typeof line === 'number' && typeof col === 'number' ? `, line ${line + 1}, column ${Math.max(1, col)},` : '';
}

/** Reads the output of a program (a dump of the effective configuration). Throws engine-config-invalid. */
export function readDump(text: string): TomlTable {
  return plain(parseDocument(text, 'the dump').value) as TomlTable;
}

/** Ordinary objects without prototypes, so that readings can be compared. */
export function plain(value: unknown): unknown {
  if (value instanceof Date) return `date ${Number.isNaN(value.getTime()) ? String(value) : value.toISOString()}`;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : `integer ${value}`;
  if (Array.isArray(value)) return value.map(plain);
  if (!isTable(value)) return value;
  const copy: TomlTable = Object.create(null);
  for (const key of Object.keys(value)) copy[key] = plain(value[key]);
  return copy;
}

/** `base` and `added` together: tables are united, lists are joined, a scalar of `added` wins. */
export function union(base: TomlTable, added: TomlTable): TomlTable {
  const result: TomlTable = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(added)) {
    const old = result[key];
    if (isTable(old) && isTable(value)) result[key] = union(old, value);
    else result[key] = Array.isArray(old) && Array.isArray(value) ? [...old, ...value] : value;
  }
  return result;
}

/** `value` without what `marked` names: keys at the ends of its branches, and elements of lists that both have. */
export function subtract(value: TomlTable, marked: TomlTable, lists: boolean): TomlTable {
  const result: TomlTable = Object.assign(Object.create(null), value);
  for (const [key, mine] of Object.entries(marked)) {
    const all = result[key];
    if (isTable(all) && isTable(mine)) result[key] = subtract(all, mine, lists);
    else if (lists && Array.isArray(all) && Array.isArray(mine)) result[key] = all.filter((one) => !mine.includes(one));
    else delete result[key];
  }
  return result;
}

function withoutEmpty(value: unknown): unknown {
  if (!isTable(value)) return value;
  const copy: TomlTable = Object.create(null);
  for (const [key, child] of Object.entries(value)) {
    const kept = withoutEmpty(child);
    if (!(isTable(kept) && Object.keys(kept).length === 0)) copy[key] = kept;
  }
  return copy;
}

/** True when both say the same; tables without any key do not count. */
export function sameSettings(a: TomlTable, b: TomlTable): boolean {
  return isDeepStrictEqual(withoutEmpty(plain(a)), withoutEmpty(plain(b)));
}

/** True when, by both parsers, `after` says exactly what `before` says and `added`. */
export function addsExactly(before: string, after: string, added: TomlTable, path: string): boolean {
  const was = readings(before, path);
  return readings(after, path).every((is, index) => sameSettings(is, union(was[index]!, plain(added) as TomlTable)));
}
