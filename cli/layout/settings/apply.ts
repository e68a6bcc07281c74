import { isDeepStrictEqual } from 'node:util';
import { eolOf, isTable, readings, type TomlTable } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { Setting } from '../types.ts';
import { type KnownKey, knownKeys, readConfiguration } from './keys.ts';
import { fits, kindWords, renderSetting } from './kinds.ts';

/** A setting that the text cannot take: its key is not there, or of another kind. */
export interface Misfit {
  path: string;
  found: string;
}

/** Which of the settings (by the path of their key) this configuration cannot take. Throws `bundle-configuration`. */
export function misfits(text: string, settings: ReadonlyMap<string, Setting>, name: string): Misfit[] {
  const known = knownKeys(readConfiguration(text, name));
  return [...settings].flatMap(([path, value]) => misfit(known.get(path), path, value));
}

function misfit(key: KnownKey | undefined, path: string, value: Setting): Misfit[] {
  if (key === undefined) return [{ path, found: `has no key ${path}` }];
  if (key.kind !== undefined && fits(value, key.kind)) return [];
  return [{ path, found: `wants ${key.kind === undefined ? 'another kind of value' : kindWords(key.kind)} for ${path}` }];
}

/**
 * The configuration with these settings, by the path of their key. Only values change: where a key is there its value is replaced,
 * where it is shown as a comment a line is added below the comment. Every other byte stays, comments, order and line ends included.
 * All settings must fit (see `misfits`). Throws `bundle-configuration`.
 */
export function applySettings(text: string, settings: ReadonlyMap<string, Setting>, name: string): string {
  if (settings.size === 0) return text;
  const known = knownKeys(readConfiguration(text, name));
  const eol = eolOf(text);
  const edits = [...settings].map(([path, value]) => editOf(known.get(path)!, value, eol));
  edits.sort((a, b) => b.start - a.start);
  const result = edits.reduce((now, { start, end, insert }) => now.slice(0, start) + insert + now.slice(end), text);
  prove(text, result, settings, name);
  return result;
}

/**
 * The configuration with one more key, in the line below another key of the same table; every other byte stays. undefined: `beside` is not
 * there, or the key is. Throws `bundle-configuration`.
 */
export function addSetting(text: string, beside: string, path: string, value: string, name: string): string | undefined {
  const known = knownKeys(readConfiguration(text, name));
  const place = known.get(beside)?.place;
  if (place?.kind !== 'value' || known.get(path)?.place.kind === 'value') return undefined;
  const eol = eolOf(text);
  const line = `${path.slice(path.lastIndexOf('.') + 1)} = ${renderSetting(value, { of: 'string', list: false })}`;
  const end = text.indexOf('\n', place.end) + 1;
  const result = end === 0 ? `${text}${eol}${line}` : `${text.slice(0, end)}${line}${eol}${text.slice(end)}`;
  prove(text, result, new Map([[path, value]]), name);
  return result;
}

interface Edit {
  start: number;
  end: number;
  insert: string;
}

function editOf({ path, kind, place }: KnownKey, value: Setting, eol: string): Edit {
  const literal = renderSetting(value, kind!);
  if (place.kind === 'value') return { start: place.start, end: place.end, insert: literal };
  return { start: place.at, end: place.at, insert: `${eol}${path.slice(path.lastIndexOf('.') + 1)} = ${literal}` };
}

/** Two parsers that share no code must read what was wanted, and nothing else changed. */
function prove(before: string, after: string, settings: ReadonlyMap<string, Setting>, name: string): void {
  const was = bothReadings(before, name);
  const is = bothReadings(after, name);
  for (const [index, value] of was.entries()) {
    for (const [path, setting] of settings) put(value, path.split('.'), setting);
    if (!isDeepStrictEqual(is[index], value)) throw new Error(`the settings would change more of ${name} than they name`);
  }
}

function bothReadings(text: string, name: string): TomlTable[] {
  try {
    return readings(text, name);
  } catch (cause) {
    throw new KataError('bundle-configuration', {
      subject: name,
      found: cause instanceof Error ? cause.message : String(cause),
      needed: 'a configuration that every reader of TOML 1.0 reads the same way',
      next: 'use a release of Kata Containers, or repair the file if the bundle is your own',
      cause,
    });
  }
}

function put(table: TomlTable, [key = '', ...rest]: string[], value: Setting): void {
  if (rest.length === 0) table[key] = value;
  else {
    const inner = table[key];
    if (!isTable(inner)) throw new Error(`${key} is no table`);
    put(inner, rest, value);
  }
}
