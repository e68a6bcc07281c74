import { type Document, isAlias, isCollection, isPair, isScalar, type Node, visit, type YAMLMap } from 'yaml';
import { placeAt } from '../documents/index.ts';

/** What a document is once its aliases are followed: as many values as 20,000 marks make, five times. */
const maxValues = 100_000;

interface Size {
  values: number;
  depth: number;
}

/** For a reader that has no use for aliases: a few lines of them can hold gigabytes. */
export function refuseAliases(document: Document, text: string): void {
  visit(document, {
    Alias: (_, { range }) => {
      throw new Error(`it has an alias (${placeAt(text, range?.[0] ?? 0)})`);
    },
  });
}

/**
 * Throws where the document with each alias in full would be too large or too deep, where an alias is inside of what it names, or names
 * nothing. Nothing is made for it: what an anchor holds is counted once. A merge key makes values like an alias.
 */
export function boundAliases(document: Document, text: string, maxDepth: number): void {
  const anchors = new Map<string, Size>();
  const at = (node: Node) => placeAt(text, node.range?.[0] ?? 0);

  const sizeOf = (node: unknown): Size => {
    if (isAlias(node)) {
      const size = anchors.get(node.source);
      if (size === undefined) throw new Error(`an alias has no anchor before it (${at(node)})`);
      return size;
    }
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined;
    // Until all of it is counted, an alias to it would be inside of it.
    if (anchor !== undefined) anchors.set(anchor, { values: Infinity, depth: 0 });
    const size = { values: 1, depth: 1 };
    for (const inner of isCollection(node) ? node.items : isPair(node) ? [node.key, node.value] : []) {
      const { values, depth } = sizeOf(inner);
      size.values += values;
      size.depth = Math.max(size.depth, depth + (isPair(node) ? 0 : 1));
    }
    if (size.values > maxValues) throw new Error(`with its aliases it has more than ${maxValues} values`);
    if (size.depth > maxDepth) throw new Error(`with its aliases it is nested more than ${maxDepth} deep`);
    if (anchor !== undefined) anchors.set(anchor, size);
    return size;
  };
  sizeOf(document.contents);
}

/**
 * Throws for a merge key behind other keys: to some readers (yaml.v2 of Go) it then wins over them, to others it does not. Where it comes
 * first, all agree.
 */
export function refuseLateMerges(document: Document, text: string): void {
  visit(document, {
    Map: (_, { items }: YAMLMap) => {
      const late = items.slice(1).find(({ key }) => isScalar(key) && key.type === 'PLAIN' && key.source === '<<')?.key as Node | undefined;
      if (late !== undefined) throw new Error(`its merge key is not the first key of its table (${placeAt(text, late.range?.[0] ?? 0)})`);
    },
  });
}
