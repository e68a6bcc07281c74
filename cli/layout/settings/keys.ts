import type { AST } from 'toml-eslint-parser';
import { parseDocument, type TomlDocument } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import { type Kind, kindOfNode } from './kinds.ts';

/** A key that a configuration has, or shows commented out as an example. */
export interface KnownKey {
  /** 'hypervisor.qemu.default_memory' */
  path: string;
  /** undefined: of a kind that is never set. */
  kind: Kind | undefined;
  /** The value's own bytes; for an example the place behind its line, where a new line goes. Offsets into the text. */
  place: { kind: 'value'; start: number; end: number } | { kind: 'example'; at: number };
}

/** The text as a syntax tree. Throws `bundle-configuration`. */
export function readConfiguration(text: string, name: string): TomlDocument {
  try {
    return parseDocument(text, name);
  } catch (cause) {
    throw new KataError('bundle-configuration', {
      subject: name,
      found: cause instanceof Error ? cause.message : String(cause),
      needed: 'a configuration in TOML 1.0',
      next: 'fetch the bundle again, or repair the file if the bundle is your own',
      cause,
    });
  }
}

/**
 * Every key of a configuration that has a plain name and one value, by its path. Kata's files show some keys only as a comment
 * (`# default_vcpus = 1`): those are known too, with the kind of their example. Tables in lists have no path and are left out.
 */
export function knownKeys(doc: TomlDocument): Map<string, KnownKey> {
  const found = new Map<string, KnownKey>();
  const headers: Header[] = [{ at: 0, table: [] }];
  for (const node of doc.program.body[0].body) {
    if (node.type === 'TOMLKeyValue') visit(node, [], doc.start, found);
    else {
      const table = plainKeys(node.key);
      const listed = node.kind === 'array' || node.resolvedKey.some((key) => typeof key === 'number');
      headers.push({ at: node.range[0], table: listed ? undefined : table });
      if (!listed && table !== undefined) for (const entry of node.body) visit(entry, table, doc.start, found);
    }
  }
  addExamples(doc, headers, found);
  return found;
}

interface Header {
  at: number;
  /** undefined: a table whose keys have no path. */
  table: string[] | undefined;
}

function visit(node: AST.TOMLKeyValue, table: string[], start: number, found: Map<string, KnownKey>): void {
  const own = plainKeys(node.key);
  if (own === undefined) return;
  const keys = [...table, ...own];
  const { value } = node;
  if (value.type === 'TOMLInlineTable') for (const entry of value.body) visit(entry, keys, start, found);
  const [from, to] = value.range;
  const path = keys.join('.');
  found.set(path, { path, kind: kindOfNode(value), place: { kind: 'value', start: start + from, end: start + to } });
}

/** undefined when a part would need quotes: no key of Kata's does, and its path would mean something else. */
function plainKeys(key: AST.TOMLKey): string[] | undefined {
  const keys = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
  return keys.every((part) => /^[\w-]+$/.test(part) && part !== '__proto__') ? keys : undefined;
}

const headerLine = /^\s?\[+[\w."' -]+\]+\s*$/;
const exampleLine = /^[ \t]?([\w-]+)[ \t]*=[ \t]*(\S.*)$/;

function addExamples(doc: TomlDocument, headers: Header[], found: Map<string, KnownKey>): void {
  const inner = valueRanges(doc);
  const tables = tablesOf(headers, found);
  let header = 0;
  let foreign = false;
  for (const { value, range } of doc.program.comments) {
    const [at, end] = range;
    while (headers[header + 1] !== undefined && headers[header + 1]!.at < at) {
      header += 1;
      foreign = false;
    }
    // Below a table that is commented out as a whole, examples are that table's.
    if (headerLine.test(value)) foreign = true;
    const table = headers[header]?.table;
    if (foreign || table === undefined || !isOwnLine(doc, at) || inner.some(([from, to]) => from < at && at < to)) continue;
    const example = exampleOf(value.trimEnd());
    if (example === undefined) continue;
    const path = [...table, example.key].join('.');
    if (!found.has(path) && !tables.has(path))
      found.set(path, { path, kind: example.kind, place: { kind: 'example', at: doc.start + end } });
  }
}

/** Paths that are tables, by a header or by a key below them: they cannot have a value. */
function tablesOf(headers: Header[], found: Map<string, KnownKey>): Set<string> {
  const paths = [
    ...headers.flatMap(({ table }) => (table === undefined ? [] : [[...table, '']])),
    ...[...found.keys()].map((path) => path.split('.')),
  ];
  return new Set(paths.flatMap((keys) => keys.slice(0, -1).map((_, index) => keys.slice(0, index + 1).join('.'))));
}

/** Where values of more than one line are: comments inside of them are no examples. */
function valueRanges(doc: TomlDocument): AST.Range[] {
  const pairs = doc.program.body[0].body.flatMap((node) => (node.type === 'TOMLKeyValue' ? [node] : node.body));
  return pairs.filter(({ loc }) => loc.start.line !== loc.end.line).map(({ range }) => range);
}

function isOwnLine(doc: TomlDocument, at: number): boolean {
  const before = doc.text.slice(doc.start, doc.start + at);
  return before.slice(before.lastIndexOf('\n') + 1).trim() === '';
}

function exampleOf(comment: string): { key: string; kind: Kind } | undefined {
  const [, key, value] = exampleLine.exec(comment) ?? [];
  if (key === undefined || value === undefined || key === '__proto__') return undefined;
  try {
    const [pair] = parseDocument(`k = ${value}`, '').program.body[0].body;
    const kind = pair?.type === 'TOMLKeyValue' ? kindOfNode(pair.value) : undefined;
    return kind === undefined ? undefined : { key, kind };
  } catch {
    return undefined;
  }
}
