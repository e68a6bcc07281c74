import toml from '@iarna/toml';

export type Table = Record<string, unknown>;

/** The values of a text by a parser of its own; undefined for what is no TOML. */
export function strictToml(text: string): Table | undefined {
  try {
    return toml.parse(text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n')) as Table;
  } catch {
    return undefined;
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/**
 * What a reader finds in `after` and not in `before`: keys with their values, elements at the end of lists. A table counts by its keys.
 * 'CHANGED' where anything that was there has another value or is away.
 */
export function addedTo(before: unknown, after: unknown): unknown {
  if (isTable(before) && isTable(after)) {
    const found: Table = {};
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const inner = addedTo(before[key], after[key]);
      if (inner !== undefined) found[key] = inner;
    }
    return Object.keys(found).length === 0 ? undefined : found;
  }
  if (before === undefined) return isTable(after) ? addedTo({}, after) : after;
  if (after === undefined) return isTable(before) && addedTo({}, before) === undefined ? undefined : 'CHANGED';
  if (Array.isArray(before) && Array.isArray(after)) {
    if (JSON.stringify(text(before)) === JSON.stringify(text(after))) return undefined;
    return JSON.stringify(text(after.slice(0, before.length))) === JSON.stringify(text(before)) ? after.slice(before.length) : 'CHANGED';
  }
  return JSON.stringify(text(before)) === JSON.stringify(text(after)) ? undefined : 'CHANGED';
}

/** Numbers that JSON does not have. */
function text(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return Object.is(value, -0) ? '-0' : String(value);
  if (value instanceof Date) return String(Number.isNaN(value.getTime()) ? value : value.toISOString());
  if (Array.isArray(value)) return value.map(text);
  return isTable(value) ? Object.entries(value).map(([key, inner]) => [key, text(inner)]) : value;
}

/** Whether one text came from the other by one range that was put in, and nothing else. */
export function isInsertion(before: string, after: string): boolean {
  const length = after.length - before.length;
  if (length < 0) return false;
  let head = 0;
  while (head < before.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return head + tail >= before.length;
}
