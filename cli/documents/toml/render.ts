import { KataError } from '../../errors/index.ts';
import { isTable, type TomlTable } from './document.ts';

const escapes: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r' };

/** A TOML basic string: the one way by which kata-sysext writes any text into a configuration file. */
export function tomlString(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: TOML wants exactly these escaped
  return `"${text.replace(/["\\\u0000-\u001f\u007f]/g, (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}

/** A bare key where TOML allows one, else a quoted key. */
export function tomlKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : tomlString(key);
}

/** `[a."b.c".d]` */
function tomlHeader(path: readonly string[]): string {
  return `[${path.map(tomlKey).join('.')}]`;
}

/**
 * Lines of a table and its sub-tables, in the order of the keys, scalars before sub-tables. Strings, booleans, integers and arrays of
 * these only; anything else throws engine-unsupported rather than being written with another type.
 */
export function renderTable(path: readonly string[], table: TomlTable): string[] {
  const keys = Object.keys(table);
  const scalars = keys.filter((key) => !isTable(table[key]));
  const lines = [tomlHeader(path), ...scalars.map((key) => `${tomlKey(key)} = ${renderValue(table[key], [...path, key])}`)];
  for (const key of keys) {
    const value = table[key];
    if (isTable(value)) lines.push('', ...renderTable([...path, key], value));
  }
  return lines;
}

function renderValue(value: unknown, path: readonly string[]): string {
  if (typeof value === 'string') return tomlString(value);
  if (typeof value === 'boolean' || typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map((element) => renderValue(element, path)).join(', ')}]`;
  throw new KataError('engine-unsupported', {
    subject: path.join('.'),
    found: `The value of ${path.join('.')} is of a kind that this version does not copy.`,
    needed: 'Text, booleans, integers and lists of these.',
    next: 'Write the table into the configuration file by hand, then try again.',
  });
}

/** Fills `{{name}}` places of a template. Every value must already be TOML. A name without a value is a bug of kata-sysext. */
export function fillTemplate(template: string, values: Record<string, string>): string {
  return template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template names {{${name}}}, for which there is no value`);
    return value;
  });
}
