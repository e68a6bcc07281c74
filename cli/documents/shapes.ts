import {
  array,
  boolean,
  custom,
  type GenericSchema,
  getDotPath,
  type InferOutput,
  looseObject,
  type ObjectEntries,
  type ObjectSchema,
  pipe,
  record,
  safeParse,
  string,
} from 'valibot';

/** What a document has to look like. Keys that are not named are allowed, and kept: a newer program may have written them. */
export type Shape<T> = GenericSchema<unknown, T>;

/** The type of what a shape describes. */
export type Shaped<S extends Shape<unknown>> = InferOutput<S>;

/** A key that may be missing may also be undefined in memory: JSON has neither. */
type Table<E extends ObjectEntries> = Optional<InferOutput<ObjectSchema<E, undefined>>>;
type Optional<T> = { [K in keyof T]: object extends Pick<T, K> ? T[K] | undefined : T[K] };

/**
 * Where a value has something else than its shape wants, in words ('entries.3.mode is not a whole number'); undefined where it fits.
 * The value itself stays what it was read as. The words have no content of it but keys.
 */
export function misfitOf(shape: Shape<unknown>, value: unknown): string | undefined {
  const place = misplaced(shape, value);
  if (place === undefined) return undefined;
  return place.missing ? `${place.at} is missing` : `${place.at === '' ? 'the value' : place.at} is not ${place.wanted}`;
}

/** The same as data; `at` is '' for the whole. */
export function misplaced(shape: Shape<unknown>, value: unknown): { at: string; wanted: string; missing: boolean } | undefined {
  const { issues } = safeParse(shape, value, { abortEarly: true });
  if (issues === undefined) return undefined;
  const [issue] = issues;
  return { at: getDotPath(issue) ?? '', wanted: issue.message, missing: issue.input === undefined };
}

/** A value that a test accepts; `words` say what it is, with an article. */
export function valueLike<T>(words: string, test: (value: unknown) => boolean): Shape<T> {
  return custom<T>(test, words);
}

export function textLike<T extends string = string>(words: string, pattern: RegExp): Shape<T> {
  return valueLike<T>(words, (value) => typeof value === 'string' && pattern.test(value));
}

export function oneOf<const T extends string>(...names: T[]): Shape<T> {
  return valueLike<T>(`one of ${names.join(', ')}`, (value) => names.some((name) => name === value));
}

/** valibot takes a list for a table whose keys may all be missing. */
const table = valueLike<object>('a table', isTable);

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function tableOf<const E extends ObjectEntries>(entries: E): Shape<Table<E>> {
  return pipe(table, looseObject(entries, 'a table')) as unknown as Shape<Table<E>>;
}

/** The same where a key that is not named is a mistake: in what a person writes. */
export function closedTableOf<const E extends ObjectEntries>(entries: E): Shape<Table<E>> {
  const names = Object.keys(entries);
  const closed = valueLike<object>(
    `a table with no other keys than ${names.join(', ')}`,
    (value) => isTable(value) && Object.keys(value).every((key) => names.includes(key)),
  );
  return pipe(closed, looseObject(entries, 'a table')) as unknown as Shape<Table<E>>;
}

export function listOf<T>(item: Shape<T>) {
  return array(item, 'a list');
}

export function mapOf<T, K extends string = string>(values: Shape<T>, keys: Shape<K> = text as Shape<K>) {
  return pipe(table, record(keys as GenericSchema<string, K>, values, 'a table'));
}

export const text: Shape<string> = string('a text');
export const flag: Shape<boolean> = boolean('true or false');
export const count = valueLike<number>('a whole number', (value) => Number.isSafeInteger(value) && (value as number) >= 0);
export const amount = valueLike<number>('a number', (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0);
export const permissions = valueLike<number>(
  'a mode',
  (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0o7777,
);
/** Milliseconds that a Date can hold; below 0 before 1970. */
export const instant = valueLike<number>('a time', (value) => typeof value === 'number' && Math.abs(value) <= 8.64e15);
/** RFC 3339, or whatever Date reads. */
export const moment = valueLike<string>('a time', (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)));
export const digest = textLike<`sha256:${string}`>('a sha256 digest', /^sha256:[0-9a-f]{64}$/);
/** In hexadecimal. */
export const sha1 = textLike('a SHA-1', /^[0-9a-f]{40}$/);
export const absolutePath = valueLike<string>('an absolute path', (value) => isPath(value) && value.startsWith('/'));
/** As another program may write it: `..` in it is resolved inside the root, as all paths are. */
export const writtenPath = valueLike<string>('an absolute path', (value) => typeof value === 'string' && /^\/[^\0]*$/.test(value));
export const relativePath = valueLike<string>('a relative path', (value) => isPath(value) && value !== '' && !value.startsWith('/'));
/** One part of a path. */
export const plainName = textLike('a name', /^(?!\.{1,2}$)[^/\0]{1,255}$/);

function isPath(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && !value.split('/').includes('..');
}
