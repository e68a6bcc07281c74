import type { AST } from 'toml-eslint-parser';
import type { TomlDocument } from './document.ts';

/** One pure insertion: `text` goes in at `at` (an offset into the whole text). Nothing is ever replaced, so removal is exact. */
export interface Insertion {
  at: number;
  text: string;
}

/** The line ending that most lines of the text have; '\n' where there is none. */
export function eolOf(text: string): '\r\n' | '\n' {
  const crlf = text.split('\r\n').length - 1;
  const lf = text.split('\n').length - 1 - crlf;
  return crlf > lf ? '\r\n' : '\n';
}

export function insert(text: string, { at, text: added }: Insertion): string {
  return text.slice(0, at) + added + text.slice(at);
}

/** A block of lines as it is after `before`: on its own lines, an empty line ahead of it unless nothing is ahead. */
export function blockAfter(before: string, lines: readonly string[], eol: string): string {
  const alone = before === '' || before === '\ufeff';
  const lead = alone || before.endsWith('\n') ? '' : eol;
  return lead + (alone ? '' : eol) + lines.map((line) => line + eol).join('');
}

export function insertAtEnd(text: string, lines: readonly string[]): Insertion {
  return { at: text.length, text: blockAfter(text, lines, eolOf(text)) };
}

/** The value node of a key of the top-level table, where the key is written plainly (not dotted). */
export function topLevelValue(doc: TomlDocument, key: string): AST.TOMLContentNode | undefined {
  for (const pair of topLevelPairs(doc)) {
    const [first, second] = pair.key.keys;
    if (first && !second && (first.type === 'TOMLBare' ? first.name : first.value) === key) return pair.value;
  }
  return undefined;
}

function topLevelPairs(doc: TomlDocument): AST.TOMLKeyValue[] {
  return doc.program.body[0].body.filter((node) => node.type === 'TOMLKeyValue');
}

/**
 * A line after the last top-level key and before the first table: a key above a leading comment block would tear the comment from what
 * it is about, and below the first header it would belong to that table. undefined when the text has no top-level key.
 */
export function insertTopLevelLine(doc: TomlDocument, line: string): Insertion | undefined {
  const last = topLevelPairs(doc).at(-1);
  if (!last) return undefined;
  const eol = eolOf(doc.text);
  const lineEnd = doc.text.indexOf('\n', doc.start + last.range[1]);
  if (lineEnd < 0) return { at: doc.text.length, text: `${eol}${line}${eol}` };
  return { at: lineEnd + 1, text: `${line}${eol}` };
}

/** The pair of a key that is written plainly below the header of its table. */
export function pairIn(doc: TomlDocument, table: readonly string[], key: string): AST.TOMLKeyValue | undefined {
  return tableNode(doc, table)?.body.find(({ key: written }) => {
    const [first, second] = written.keys;
    return first !== undefined && second === undefined && (first.type === 'TOMLBare' ? first.name : first.value) === key;
  });
}

function tableNode({ program }: TomlDocument, table: readonly string[]): AST.TOMLTable | undefined {
  return program.body[0].body.find(
    (node): node is AST.TOMLTable =>
      node.type === 'TOMLTable' && node.kind === 'standard' && node.resolvedKey.join('\0') === table.join('\0'),
  );
}

/** A line right below the header of a table, indented as the table's first key is. undefined where no header has this name. */
export function insertBelowHeader(doc: TomlDocument, table: readonly string[], line: string): Insertion | undefined {
  const node = tableNode(doc, table);
  if (node === undefined) return undefined;
  const eol = eolOf(doc.text);
  const lineEnd = doc.text.indexOf('\n', doc.start + node.key.range[1]);
  if (lineEnd < 0) return { at: doc.text.length, text: `${eol}${line}${eol}` };
  const indent = ' '.repeat(node.body[0]?.loc.start.column ?? 0);
  return { at: lineEnd + 1, text: `${indent}${line}${eol}` };
}

/** Ahead of a pair, on its line: the rest of that line becomes a comment of kata-sysext's. `lead` ends inside a comment. */
export function insertAhead(doc: TomlDocument, pair: AST.TOMLKeyValue, lead: string): Insertion {
  return { at: doc.start + pair.range[0], text: lead };
}

/** One more element at the end of an array, whatever comments, line breaks and trailing commas it has. */
export function insertElement(doc: TomlDocument, array: AST.TOMLArray, element: string): Insertion {
  const last = array.elements.at(-1);
  if (last) return { at: doc.start + last.range[1], text: `, ${element}` };
  return { at: doc.start + array.range[0] + 1, text: element };
}

/** The text with the value of a node replaced: for copies that only the engine's own check reads, never for the file itself. */
export function withValue(doc: TomlDocument, node: AST.TOMLContentNode, value: string): string {
  return doc.text.slice(0, doc.start + node.range[0]) + value + doc.text.slice(doc.start + node.range[1]);
}

/**
 * The lines that define these tables and those below them, comments between them included: from the first header to the last value.
 * undefined where other tables are between them, or where they are written in another way than by headers.
 */
export function blockOf(doc: TomlDocument, tables: readonly (readonly string[])[]): string | undefined {
  const nodes = doc.program.body[0].body;
  const wanted = nodes.map((node) => node.type === 'TOMLTable' && tables.some((path) => isBelow(node.resolvedKey, path)));
  const [first, last] = [wanted.indexOf(true), wanted.lastIndexOf(true)];
  if (first < 0 || wanted.slice(first, last + 1).includes(false)) return undefined;
  const at = doc.text.lastIndexOf('\n', startOf(doc, nodes[first]!) - 1) + 1;
  const lineEnd = doc.text.indexOf('\n', endOf(doc, nodes[last]!));
  return doc.text.slice(Math.max(at, doc.start), lineEnd < 0 ? undefined : lineEnd + 1);
}

function isBelow(key: readonly (string | number)[], path: readonly string[]): boolean {
  return path.every((part, index) => key[index] === part);
}

function startOf(doc: TomlDocument, node: AST.TOMLNode): number {
  return doc.start + node.range[0];
}

function endOf(doc: TomlDocument, node: AST.TOMLNode): number {
  return doc.start + node.range[1];
}
