import type { AST } from 'toml-eslint-parser';
import { KataError } from '../../errors/index.ts';
import { refusedKeys } from '../index.ts';

export type TomlTable = Record<string, unknown>;

/** The second parser makes tables that inherit, and takes an inherited name for a table that is there already. */
const inherited: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/**
 * What a text says, tables without a prototype. Integers that a number cannot hold are bigints.
 * Throws engine-config-invalid, naming line and column, for keys that JavaScript's objects inherit, however they are written.
 */
export function tableIn(program: AST.TOMLProgram, path: string): TomlTable {
  const root = emptyTable();
  for (const node of program.body[0].body) {
    if (node.type === 'TOMLKeyValue') put(root, node, path);
    else {
      const table = tableOf(root, node, path);
      for (const pair of node.body) put(table, pair, path);
    }
  }
  return root;
}

function emptyTable(): TomlTable {
  return Object.create(null);
}

/** The table that a header opens. */
function tableOf(root: TomlTable, { key, kind }: AST.TOMLTable, path: string): TomlTable {
  const { table, name } = parentOf(root, key, path);
  const found = table[name];
  if (kind === 'standard') return inside(table, name, key, path);
  const added = emptyTable();
  if (Array.isArray(found)) found.push(added);
  else if (found === undefined) table[name] = [added];
  else throw refused(path, key, `defines ${JSON.stringify(name)} twice`);
  return added;
}

function put(table: TomlTable, { key, value }: AST.TOMLKeyValue, path: string): void {
  const place = parentOf(table, key, path);
  if (Object.hasOwn(place.table, place.name)) throw refused(path, key, `defines ${JSON.stringify(place.name)} twice`);
  place.table[place.name] = contentOf(value, path);
}

/** The table that the last part of a dotted key belongs to; missing ones are made. */
function parentOf(start: TomlTable, key: AST.TOMLKey, path: string): { table: TomlTable; name: string } {
  const names = key.keys.map((part) => nameOf(part, path));
  const table = names.slice(0, -1).reduce((at, name) => inside(at, name, key, path), start);
  return { table, name: names.at(-1)! };
}

/** Of an array of tables the last one. */
function inside(table: TomlTable, name: string, key: AST.TOMLKey, path: string): TomlTable {
  const found = table[name];
  if (found === undefined) {
    const made = emptyTable();
    table[name] = made;
    return made;
  }
  const last: unknown = Array.isArray(found) ? found.at(-1) : found;
  if (typeof last === 'object' && last !== null && !Array.isArray(last) && !(last instanceof Date)) return last as TomlTable;
  throw refused(path, key, `defines ${JSON.stringify(name)} twice`);
}

function nameOf(part: AST.TOMLBare | AST.TOMLQuoted, path: string): string {
  const name = part.type === 'TOMLBare' ? part.name : part.value;
  if (!refusedKeys.has(name) && !inherited.has(name)) return name;
  throw refused(path, part, `has the key ${name}`);
}

function contentOf(node: AST.TOMLContentNode, path: string): unknown {
  if (node.type === 'TOMLArray') return node.elements.map((element) => contentOf(element, path));
  if (node.type === 'TOMLValue') {
    return node.kind === 'integer' && !Number.isSafeInteger(node.value) ? node.bigint : node.value;
  }
  const table = emptyTable();
  for (const pair of node.body) put(table, pair, path);
  return table;
}

function refused(path: string, { loc }: AST.TOMLNode, found: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path}, line ${loc.start.line}, column ${loc.start.column + 1}, ${found}.`,
    needed: 'Keys of settings, each once: names such as __proto__, constructor and toString are no settings, and programs misread them.',
    next: `Look who wrote ${path}, and take the key out.`,
  });
}
