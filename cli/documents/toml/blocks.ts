import type { AST } from 'toml-eslint-parser';
import type { TomlDocument } from './document.ts';

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
