import type { AST } from 'toml-eslint-parser';
import { isUnfilled, placeAt } from '../place.ts';
import type { TomlDocument } from './document.ts';
import { topLevelValue } from './edit.ts';

/** Where a node begins: 'line 3, column 7'. */
function placeOf(doc: TomlDocument, node: AST.TOMLNode): string {
  return placeAt(doc.text, doc.start + node.range[0]);
}

/** Where the value of a key of the top-level table begins; undefined where there is no such key. */
export function placeOfKey(doc: TomlDocument, key: string): string | undefined {
  const node = topLevelValue(doc, key);
  return node === undefined ? undefined : placeOf(doc, node);
}

/** Where an inline table, a list or a plain value is instead of this table or of one above it; undefined where all are ordinary tables. */
export function placeOfObstacle(doc: TomlDocument, path: readonly string[]): string | undefined {
  const isAbove = (key: readonly (string | number)[]) => key.length <= path.length && key.every((part, index) => part === path[index]);
  for (const node of doc.program.body[0].body) {
    if (node.type === 'TOMLTable' && node.kind === 'array' && isAbove(node.resolvedKey.slice(0, -1))) return placeOf(doc, node);
    const pairs = node.type === 'TOMLTable' ? node.body : [node];
    const above = node.type === 'TOMLTable' ? node.resolvedKey : [];
    const pair = pairs.find(({ key }) => isAbove([...above, ...key.keys.map(nameOf)]));
    if (pair !== undefined) return placeOf(doc, pair.value);
  }
  return undefined;
}

/** Where a value or key has a place that a program has yet to fill in; in comments they mean nothing. undefined where there is none. */
export function placeholderIn(doc: TomlDocument): string | undefined {
  if (!/[{<$@][{%@]/.test(doc.text)) return undefined;
  const token = doc.program.tokens.find(({ value }) => isUnfilled(value));
  return token === undefined ? undefined : placeOf(doc, token as unknown as AST.TOMLNode);
}

function nameOf(part: AST.TOMLBare | AST.TOMLQuoted): string {
  return part.type === 'TOMLBare' ? part.name : part.value;
}
