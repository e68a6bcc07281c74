import type { AST } from 'toml-eslint-parser';
import { parseProgram } from '../documents/toml/index.ts';
import { KataError } from '../errors/index.ts';

/** A string value of a TOML text: the keys on the way to it (array indices left out), its value and where its literal is. */
export interface StringValue {
  readonly keys: readonly string[];
  readonly value: string;
  readonly style: 'basic' | 'literal';
  readonly multiline: boolean;
  readonly start: number;
  readonly end: number;
}

export interface TomlStrings {
  readonly strings: readonly StringValue[];
  /** The headers of all tables and the keys of inline tables, joined by NUL. */
  readonly tables: ReadonlySet<string>;
}

interface Collected {
  strings: StringValue[];
  tables: Set<string>;
}

/** What is known of the last texts: a plan asks several times for the configuration of each handler, and parsing is most of its time. */
const known = new Map<string, TomlStrings>();
const knownCharacters = 4_000_000;
let characters = 0;

/** All string values of a TOML 1.0 text. Throws `bundle-configuration` naming the line. */
export function stringsOf(text: string, name: string): TomlStrings {
  try {
    const found = known.get(text) ?? collect(text, name);
    keep(text, found);
    return found;
  } catch (cause) {
    throw new KataError('bundle-configuration', {
      subject: name,
      found: cause instanceof KataError ? cause.complaint.found : String(cause),
      needed: 'a configuration in TOML 1.0',
      next: 'fetch the bundle again, or repair the file if the bundle is your own',
      cause,
    });
  }
}

function keep(text: string, found: TomlStrings): void {
  if (known.has(text) || text.length > knownCharacters) return;
  if (characters + text.length > knownCharacters) {
    known.clear();
    characters = 0;
  }
  known.set(text, found);
  characters += text.length;
}

function collect(text: string, name: string): TomlStrings {
  const found: Collected = { strings: [], tables: new Set() };
  for (const node of parseProgram(text, name).program.body[0].body) {
    if (node.type === 'TOMLKeyValue') visitKeyValue(node, [], found);
    else {
      const keys = keysOf(node.key);
      noteTable(keys, found);
      for (const entry of node.body) visitKeyValue(entry, keys, found);
    }
  }
  return found;
}

function visitKeyValue(node: AST.TOMLKeyValue, parent: string[], found: Collected): void {
  const keys = [...parent, ...keysOf(node.key)];
  noteTable(keys.slice(0, -1), found);
  visitValue(node.value, keys, found);
}

function visitValue(node: AST.TOMLContentNode, keys: string[], found: Collected): void {
  if (node.type === 'TOMLArray') for (const element of node.elements) visitValue(element, keys, found);
  else if (node.type === 'TOMLInlineTable') {
    noteTable(keys, found);
    for (const entry of node.body) visitKeyValue(entry, keys, found);
  } else if (node.kind === 'string') {
    const { value, style, multiline, range } = node;
    found.strings.push({ keys, value, style, multiline, start: range[0], end: range[1] });
  }
}

function noteTable(keys: string[], found: Collected): void {
  for (let length = 1; length <= keys.length; length++) found.tables.add(keys.slice(0, length).join('\0'));
}

function keysOf(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
}
