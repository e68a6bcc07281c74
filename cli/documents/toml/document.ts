import { type AST, parseTOML } from 'toml-eslint-parser';
import { KataError } from '../../errors/index.ts';
import { placeAt } from '../place.ts';
import { requireBounded } from './limits.ts';
import { type TomlTable, tableIn } from './value.ts';

export type { TomlTable };

/** A TOML 1.0 text with the syntax tree that says where everything is. Ranges of the tree count from `start`. */
export interface TomlDocument {
  path: string;
  /** Exactly the file's text, byte order mark included. */
  text: string;
  /** 1 when the text begins with a byte order mark, else 0: add it to every range. */
  start: number;
  program: AST.TOMLProgram;
  /** Tables have no prototype. */
  value: TomlTable;
  /** How much of the parser's memory it takes: see `tomlLimits`. */
  tokens: number;
}

/**
 * Parses by the rules of TOML 1.0 (what containerd and CRI-O read; the 1.1 syntax is refused). Throws engine-config-invalid with line and
 * column, also for a text that is larger than `tomlLimits` or has a key that JavaScript's objects inherit.
 */
export function parseDocument(text: string, path: string): TomlDocument {
  const start = text.startsWith('\ufeff') ? 1 : 0;
  return { path, text, start, ...parseProgram(text.slice(start), path) };
}

/** The syntax tree of a text without a byte order mark, and what it says: see `parseDocument`. */
export function parseProgram(text: string, path: string): Pick<TomlDocument, 'program' | 'value' | 'tokens'> {
  const tokens = requireBounded(text, path);
  const program = parsed(text, path);
  return { program, value: tableIn(program, path), tokens };
}

function parsed(text: string, path: string): AST.TOMLProgram {
  // The parser takes it for space at the end of a text.
  const bare = text.search(/\r(?!\n)/);
  if (bare >= 0) throw unreadable(path, placeAt(text, bare), 'a carriage return without a line feed');
  try {
    return parseTOML(text, { tomlVersion: '1.0' });
  } catch (cause) {
    const place = cause instanceof Error && 'index' in cause ? placeAt(text, Number(cause.index)) : undefined;
    throw unreadable(path, place, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unreadable(path: string, place: string | undefined, reason: string, cause?: unknown): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path}${place === undefined ? '' : `, ${place},`} cannot be read as TOML 1.0: ${reason}.`,
    needed: 'A configuration that the engine itself can load.',
    next: `Repair ${path}; if it is a template, render it first.`,
    cause,
  });
}

/** True for a table; false for arrays, dates and scalars. */
export function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The value at a path of keys, or undefined. Looks at own keys only, so that a key named __proto__ finds nothing. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path) {
    if (!isTable(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** The table at a path of keys; empty when there is none. */
export function tableAt(value: unknown, path: readonly string[]): TomlTable {
  const found = valueAt(value, path);
  return isTable(found) ? found : {};
}
