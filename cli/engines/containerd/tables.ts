import { parseDocument, type TomlTable, union, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Overlay } from '../common/filesView.ts';
import type { SeenMark } from '../common/seen.ts';
import type { Version } from '../common/version.ts';
import type { Instance, WantedHandler, Wiring } from '../types.ts';
import { saysNothing } from './checks.ts';
import type { Placement } from './edits.ts';
import { type Piece, piecesOf } from './edits.ts';
import type { Generator } from './generator.ts';
import { handlerLines, handlerTable, pluginTable } from './handlers.ts';
import { carriedLines, carriedRuntimes } from './inheritedRuntimes.ts';
import type { ConfigSet } from './loader.ts';
import { schemaBelowRoot, schemaOfTables, type TableSchema } from './rootSchema.ts';
import { highestSchema, type Merging, pluginOf } from './schema.ts';
import { checkPieces } from './verifyEdits.ts';

/** What is asked of a plan, and what is there of an earlier one. */
export interface Request {
  given: Instance;
  wanted: WantedHandler[];
  recorded: Wiring | undefined;
  /** See `planContainerd`. */
  rewrittenIn: number | undefined;
  seen: SeenMark[];
}

/** What a plan starts from: the host without the text of kata-sysext. */
export interface Basis {
  texts: Overlay;
  instance: Instance;
  version: Version | undefined;
  set: ConfigSet;
  merging: Merging;
  /** Wanted handlers that are to be written. */
  missing: WantedHandler[];
  /** Of handlers that others have written already. */
  present: Finding[];
  generator: Generator | undefined;
  placement: Placement;
}

/** The tables of handlers, as pieces of files that were checked. */
export interface Added {
  pieces: Piece[];
  tables: TableSchema;
  /** Runtimes of others that the tables have to repeat. */
  carried: TomlTable;
}

export async function addedTables(host: HostView, request: Request, basis: Basis): Promise<Added> {
  const { seen } = request;
  const { set, version, placement, missing } = basis;
  // A copy of the vendor’s file is made from that alone.
  const previous = placement.method === 'root copy' ? undefined : previousText(seen, placement, version);
  const tables = schemaFor(basis, previous?.schema, request.rewrittenIn);
  const { schema, isWritten } = tables;
  const plugin = pluginOf(schema);
  const carried = await carriedFor(host, request, basis, previous?.text);
  const lines = [...carriedLines(carried, plugin), ...missing.flatMap((handler) => ['', ...handlerLines(handler, plugin, version)])];
  const content = { lines, schema, isWritten, blank: saysNothing(set) };
  const textOf = textsOf(set, basis.texts, seen);
  const pieces = missing.length === 0 ? [] : piecesOf(placement, content, seen, (path) => textOf(path) ?? '');
  const written = Object.fromEntries(missing.map((handler) => [handler.name, handlerTable(handler, version)]));
  checkPieces(pieces, placement, pluginTable(plugin, union(carried, written)), content, textOf);
  return { pieces, tables, carried };
}

/** Reads a file without the marks of kata-sysext. */
function textsOf(set: ConfigSet, base: Overlay, seen: readonly SeenMark[]): (path: HostPath) => string | undefined {
  return (path) => {
    const thought = base.get(path);
    if (thought !== undefined) return thought === 'absent' ? undefined : thought;
    return set.files.find((file) => file.real === path)?.doc.text ?? seen.find((one) => one.mark.path === path)?.now;
  };
}

/** The intact text that the tables will replace, with its schema; undefined when this daemon cannot read that schema. */
function previousText(
  seen: readonly SeenMark[],
  placement: Placement,
  version: Version | undefined,
): { text: string; schema: number | undefined } | undefined {
  const path = placement.method === 'range' ? placement.target.real : placement.path;
  const mark = seen.find((one) => one.state === 'intact' && one.mark.path === path)?.mark;
  if (!mark) return undefined;
  const written = valueAt(parseDocument(mark.text, path).value, ['version']);
  const schema = typeof written === 'number' ? written : placement.method === 'root file' ? schemaOfTables(mark.text, path) : undefined;
  return version && schema !== undefined && schema > highestSchema(version) ? undefined : { text: mark.text, schema };
}

function schemaFor(
  { set: { schema }, placement, merging, version }: Basis,
  previous: number | undefined,
  comes: number | undefined,
): TableSchema {
  if (placement.method !== 'root file') return { schema: schema ?? previous ?? (merging === 'unites' ? 3 : 2), isWritten: true };
  // Versions of files that a root file imports decide nothing, and must not be higher than that of the main one.
  return schema === undefined ? schemaBelowRoot(version, previous, comes) : { schema, isWritten: false };
}

async function carriedFor(host: HostView, request: Request, basis: Basis, previous: string | undefined): Promise<TomlTable> {
  const { set, placement, merging, missing } = basis;
  if (missing.length === 0 || placement.method.startsWith('drop-in')) return {};
  const ours = [...request.wanted, ...(request.recorded?.handlers ?? [])].map((handler) => handler.name);
  const target = 'target' in placement ? placement.target : undefined;
  return carriedRuntimes(host, basis.instance, { set, target, merging, previous, ours });
}
