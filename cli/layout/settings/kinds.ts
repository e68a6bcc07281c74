import type { AST } from 'toml-eslint-parser';
import { parseProgram, tomlString } from '../../documents/toml/index.ts';
import type { Setting } from '../types.ts';

type Scalar = 'string' | 'integer' | 'float' | 'boolean';

/** What a key takes. Dates, tables and mixed lists are never set: Kata has none. */
export interface Kind {
  of: Scalar;
  list: boolean;
}

/** Longer than any kernel command line (x86: 2048 bytes), and short enough to be shown and kept. */
const maxCharacters = 8192;

const scalarWords: Record<Scalar, string> = {
  string: 'text',
  integer: 'a whole number',
  float: 'a number',
  boolean: 'true or false',
};

/** 'a whole number', 'a list such as ["a", "b"]'. */
export function kindWords({ of, list }: Kind): string {
  if (!list) return scalarWords[of];
  return of === 'string' ? 'a list of texts, such as ["a", "b"]' : `a list, each element ${scalarWords[of]}`;
}

/** The kind of a value in a file; an empty list counts as one of texts, which all of Kata's are. */
export function kindOfNode(node: AST.TOMLContentNode): Kind | undefined {
  if (node.type === 'TOMLInlineTable') return undefined;
  if (node.type === 'TOMLValue') return isScalar(node.kind) ? { of: node.kind, list: false } : undefined;
  const kinds = new Set(node.elements.map((element) => (element.type === 'TOMLValue' ? element.kind : 'table')));
  if (kinds.size === 0) return { of: 'string', list: true };
  const [only = ''] = kinds;
  return kinds.size === 1 && isScalar(only) ? { of: only, list: true } : undefined;
}

function isScalar(kind: string): kind is Scalar {
  return Object.hasOwn(scalarWords, kind);
}

/**
 * The setting that the text of a command line means for a key of this kind, or what is wrong with it. A text may be written without
 * quotes; everything else is TOML. What it gives is safe to render: one value, no control characters, no number that JSON would change.
 */
export function readSetting(text: string, kind: Kind): { value: Setting } | { wrong: string } {
  if (text.length > maxCharacters) return { wrong: `${text.length} characters, and more than ${maxCharacters} are not kept` };
  if (unsafe(text)) return { wrong: `${shown(text)}, which has control characters` };
  const bare = kind.of === 'string' && !kind.list && !/^\s*["']/.test(text);
  const node = bare ? undefined : valueNode(text);
  const value = bare ? text : node === undefined ? undefined : settingOf(node);
  if (value === undefined || (node !== undefined && !takes(kind, kindOfNode(node), value))) return { wrong: shown(text) };
  return unsafe(value) ? { wrong: `${shown(text)}, which has control characters` } : { value };
}

/** Whether a setting that was kept is still of the kind that a file wants. */
export function fits(value: Setting, kind: Kind): boolean {
  if (unsafe(value)) return false;
  if (Array.isArray(value)) return kind.list && value.every((each) => fits(each, { of: kind.of, list: false }));
  if (kind.list) return false;
  if (kind.of === 'string' || kind.of === 'boolean') return typeof value === kind.of;
  return kind.of === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
}

/** TOML for a setting that fits the kind: one line, and nothing can break out of it. */
export function renderSetting(value: Setting, kind: Kind): string {
  if (Array.isArray(value)) return `[${value.map((each) => renderSetting(each, { of: kind.of, list: false })).join(', ')}]`;
  if (typeof value === 'string') return tomlString(value);
  const text = String(value);
  return kind.of === 'float' && /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** What `readSetting` takes for a setting of any kind, and gives back as it is. */
export function settingText(value: Setting): string {
  if (typeof value === 'string') return /^\s*["']/.test(value) ? tomlString(value) : value;
  if (!Array.isArray(value)) return String(value);
  // The elements of a list are of one kind, also where some are whole.
  const float = value.some((each) => typeof each === 'number' && !Number.isInteger(each));
  const kind: Kind = { of: float ? 'float' : 'integer', list: false };
  return `[${value.map((each) => renderSetting(each, kind)).join(', ')}]`;
}

function takes(wanted: Kind, given: Kind | undefined, value: Setting): boolean {
  if (given === undefined || given.list !== wanted.list) return false;
  if (Array.isArray(value) && value.length === 0) return true;
  return given.of === wanted.of || (wanted.of === 'float' && given.of === 'integer');
}

/** Control characters, halves of characters, line separators: they have no place in a value of one line, however it is written. */
function unsafe(value: Setting): boolean {
  if (Array.isArray(value)) return value.some(unsafe);
  return typeof value === 'string' && /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(value);
}

/** The one value of a text; undefined when there is anything else in it: a comment, another key. */
function valueNode(text: string): AST.TOMLContentNode | undefined {
  try {
    const { program } = parseProgram(`k = ${text}`, '');
    const [only, ...more] = program.body[0].body;
    return only?.type === 'TOMLKeyValue' && more.length === 0 && program.comments.length === 0 ? only.value : undefined;
  } catch {
    return undefined;
  }
}

/** undefined for what is never set, or what a manifest in JSON could not keep exactly. */
function settingOf(node: AST.TOMLContentNode): Setting | undefined {
  if (node.type === 'TOMLInlineTable') return undefined;
  if (node.type === 'TOMLArray') {
    const elements = node.elements.map(settingOf);
    return elements.every((element) => element !== undefined) ? elements : undefined;
  }
  // JSON has no -0.
  if (node.kind === 'integer') return Number.isSafeInteger(node.value) ? node.value || 0 : undefined;
  if (node.kind === 'float') return Number.isFinite(node.value) ? node.value || 0 : undefined;
  return node.kind === 'string' || node.kind === 'boolean' ? node.value : undefined;
}

/** A value as a message may show it: short, on one line. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
