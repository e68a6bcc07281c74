import { blockOf, readings, sameSettings, subtract, type TomlDocument, type TomlTable, withoutMark } from '../../documents/toml/index.ts';
import type { KataError } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostView } from '../../host/types.ts';
import type { ForeignWiring, Mark } from '../types.ts';
import { unsupported } from './unsupported.ts';

/** Handlers in one file whose shim is the one that is looked for. */
export interface ForeignTables {
  /** As the engine names it: it may be a link. */
  path: string;
  doc: TomlDocument;
  /** Key paths of their tables, the name last. */
  tables: string[][];
  /** Settings, such as `version`, that alone do not keep the file: without the handlers it is removed whole. */
  idle: TomlTable;
  /** Only the block of the tables may be removed: it has text of the administrator that is no TOML, or has to stay. */
  hasMore?: boolean | undefined;
}

/**
 * See `Engine.findForeignWiring`. A file that says nothing else goes whole; from any other one, and from one that a link names, goes the block
 * of their tables: a link that leads nowhere keeps an engine from starting.
 */
export async function foreignWiringIn(host: HostView, files: readonly ForeignTables[]): Promise<ForeignWiring> {
  const marks: Mark[] = [];
  const handlers = new Set<string>();
  for (const file of files.filter(({ tables }) => tables.length > 0)) {
    for (const table of file.tables) handlers.add(table.at(-1)!);
    const isLink = (await host.lstat(file.path))?.kind === 'symlink';
    marks.push(markOf({ ...file, hasMore: isLink || file.hasMore }, await host.realpath(file.path)));
  }
  return { marks, handlers: [...handlers].sort(byBytes) };
}

function markOf(file: ForeignTables, real: string): Mark {
  const { path, doc, tables, idle, hasMore = false } = file;
  const named = tables.map((table) => table.reduceRight<unknown>((inner, key) => ({ [key]: inner }), 'gone') as TomlTable);
  const rest = readings(doc.text, path).map((value) => named.reduce((left, table) => subtract(left, table, false), value));
  if (!hasMore && rest.every((value) => sameSettings(subtract(value, idle, false), {})))
    return { path: real, kind: 'file', text: doc.text };
  const text = blockOf(doc, tables);
  if (text !== undefined && withoutMark(doc.text, text, path) !== undefined) return { path: real, kind: 'range', text };
  throw inseparable(file, 'others');
}

/** `among`: what has to stay. */
export function inseparable({ path, tables }: Pick<ForeignTables, 'path' | 'tables'>, among: string): KataError {
  return unsupported(
    path,
    `${path} has the tables of ${tables.map((table) => table.at(-1)).join(', ')} among ${among}.`,
    'These tables one after the other, or in a file of their own.',
    `Write them so in ${path}, restart the engine, and try again.`,
  );
}
