import { goJson, isTable, isTrue, sortedKeys, type Table, type Value } from './values.ts';

/** Thrown where the chart itself refuses its values. */
export interface Refusal {
  refusal: string;
}

export function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'refusal' in error;
}

/** The functions of Go's text/template, of sprig and of Helm that the chart uses, each as strict as possible. What they throw is the chart's fault, but a `Refusal`. */
export const functions: Record<string, (...args: Value[]) => Value> = {
  eq: (a, b) => same(a, b),
  ne: (a, b) => !same(a, b),
  not: (value) => !isTrue(value),
  default: (other, value) => (isTrue(value) ? value : other),
  required: (message, value) => {
    if (value === undefined || value === '') throw refusal(message);
    return value;
  },
  fail: (message) => {
    throw refusal(message);
  },
  // Nothing asks a cluster here.
  lookup: () => new Map(),
  printf: (format, ...args) => {
    const texts = args.map(text);
    const filled = text(format).replace(/%(.)/g, (_, verb: string) => {
      const value = texts.shift();
      if (verb !== 's' || value === undefined) throw new Error('printf takes %s, each with a text');
      return value;
    });
    if (texts.length > 0) throw new Error('printf has more texts than %s');
    return filled;
  },
  toJson: goJson,
  replace: (from, to, value) => text(value).replaceAll(text(from), () => text(to)),
  nindent: (width, value) => `\n${indented(width, value)}`,
  indent: (width, value) => indented(width, value),
  trimPrefix: (prefix, value) => (text(value).startsWith(text(prefix)) ? text(value).slice(text(prefix).length) : value),
  trimSuffix: (suffix, value) =>
    text(value).endsWith(text(suffix)) ? text(value).slice(0, text(value).length - text(suffix).length) : value,
  hasPrefix: (prefix, value) => text(value).startsWith(text(prefix)),
  splitList: (separator, value) => text(value).split(text(separator)),
  list: (...values) => values,
  append: (values, value) => [...items(values), value],
  first: (values) => items(values)[0],
  last: (values) => items(values).at(-1),
  has: (value, values) => items(values).some((each) => same(each, value)),
  sortAlpha: (values) => items(values).map(text).sort(),
  keys: (table) => sortedKeys(mapping(table)),
  get: (table, key) => mapping(table).get(text(key)) ?? '',
  hasKey: (table, key) => mapping(table).has(text(key)),
  dict: (...pairs) => {
    if (pairs.length % 2 !== 0) throw new Error('dict takes pairs');
    return new Map(pairs.flatMap((key, at) => (at % 2 === 0 ? [[text(key), pairs[at + 1]] as const] : [])));
  },
  set: (table, key, value) => mapping(table).set(text(key), value),
};

function same(a: Value, b: Value): boolean {
  if (typeof a !== typeof b || !['string', 'number', 'boolean'].includes(typeof a))
    throw new Error(`${typeof a} compared with ${typeof b}`);
  return a === b;
}

function indented(width: Value, value: Value): string {
  if (typeof width !== 'number') throw new Error('an indent that is no number');
  return text(value)
    .split('\n')
    .map((line) => `${' '.repeat(width)}${line}`)
    .join('\n');
}

function text(value: Value): string {
  if (typeof value !== 'string') throw new Error(`${typeof value} where a text is needed`);
  return value;
}

function items(value: Value): Value[] {
  if (!Array.isArray(value)) throw new Error(`${typeof value} where a list is needed`);
  return value;
}

function mapping(value: Value): Table {
  if (!isTable(value)) throw new Error(`${typeof value} where a table is needed`);
  return value;
}

function refusal(message: Value): Refusal {
  return { refusal: text(message) };
}
