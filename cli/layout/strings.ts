import type { AST } from 'toml-eslint-parser';
import { parseProgram } from '../documents/toml/index.ts';
import { KataError } from '../errors/index.ts';

/** A string value of a TOML text: the keys on the way to it (array indices left out), its value and where its literal is. */
export interface StringValue {
  keys: string[];
  value: string;
  style: 'basic' | 'literal';
  multiline: boolean;
  start: number;
  end: number;
}

export interface TomlStrings {
  strings: StringValue[];
  /** The headers of all tables and the keys of inline tables, joined by NUL. */
  tables: Set<string>;
}

/** All string values of a TOML 1.0 text. Throws `bundle-configuration` naming the line. */
export function stringsOf(text: string, name: string): TomlStrings {
  try {
    return collect(text, name);
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

function collect(text: string, name: string): TomlStrings {
  const found: TomlStrings = { strings: [], tables: new Set() };
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

function visitKeyValue(node: AST.TOMLKeyValue, parent: string[], found: TomlStrings): void {
  const keys = [...parent, ...keysOf(node.key)];
  noteTable(keys.slice(0, -1), found);
  visitValue(node.value, keys, found);
}

function visitValue(node: AST.TOMLContentNode, keys: string[], found: TomlStrings): void {
  if (node.type === 'TOMLArray') for (const element of node.elements) visitValue(element, keys, found);
  else if (node.type === 'TOMLInlineTable') {
    noteTable(keys, found);
    for (const entry of node.body) visitKeyValue(entry, keys, found);
  } else if (node.kind === 'string') {
    const { value, style, multiline, range } = node;
    found.strings.push({ keys, value, style, multiline, start: range[0], end: range[1] });
  }
}

function noteTable(keys: string[], found: TomlStrings): void {
  for (let length = 1; length <= keys.length; length++) found.tables.add(keys.slice(0, length).join('\0'));
}

function keysOf(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
}
