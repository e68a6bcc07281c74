import {
  addsExactly,
  findMark,
  parseDocument,
  placeOfObstacle,
  readings,
  type TomlTable,
  tableAt,
  union,
  withoutMark,
} from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { parseVersion } from '../common/version.ts';
import type { Instance, WantedHandler } from '../types.ts';
import { checkSet } from './checks.ts';
import type { Content, Piece, Placement } from './edits.ts';
import { type ConfigSet, loadSet } from './loader.ts';
import { runtimesOf, runtimesPath } from './schema.ts';

/** Checks the planned texts with two parsers, and that a removal of the added text restores each file byte for byte. */
export function checkPieces(
  pieces: readonly Piece[],
  placement: Placement,
  tables: TomlTable,
  content: Content,
  baseText: (path: HostPath) => string | undefined,
): void {
  for (const { mark, after } of pieces) {
    const copied = placement.method === 'root copy' ? placement.target.doc.text : '';
    const before = mark.kind === 'file' ? copied : (baseText(mark.path) ?? '');
    const added = addedBy(mark.kind, placement, tables, content);
    let exact: boolean;
    try {
      exact =
        addsExactly(before, after, added, mark.path) &&
        (mark.kind === 'file' || (findMark(after, mark.text) !== undefined && withoutMark(after, mark.text, mark.path) === before));
    } catch (cause) {
      // Where a parser does not read the file itself, that is the reason.
      readings(before, mark.path);
      throw unfit(mark.path, placeIn(before, mark.path, tables), cause);
    }
    if (!exact) throw unfit(mark.path, placeIn(before, mark.path, tables));
  }
}

function addedBy(kind: 'file' | 'range', placement: Placement, tables: TomlTable, content: Content): TomlTable {
  if (!content.isWritten) return tables;
  if (kind === 'file' && placement.method !== 'root copy') return union({ version: content.schema }, tables);
  if (placement.method === 'drop-in and import') return { imports: [placement.pattern] };
  return content.blank ? union({ version: content.schema }, tables) : tables;
}

/** Where a parent of the handlers' tables is no ordinary table. */
function placeIn(text: string, path: HostPath, tables: TomlTable): string | undefined {
  const [plugin = ''] = Object.keys(tableAt(tables, ['plugins']));
  try {
    return placeOfObstacle(parseDocument(text, path), runtimesPath(plugin));
  } catch {
    return undefined;
  }
}

function unfit(path: HostPath, place: string | undefined, cause?: unknown): KataError {
  return new KataError('engine-unsupported', {
    subject: path,
    found: `${path}${place === undefined ? '' : `, ${place},`} is written in a shape to which no table can be added: a parent of the handler's table is an inline table, a list or a plain value.`,
    needed: 'Ordinary tables ([plugins...]) on the way to containerd.runtimes.',
    next: `Write the inline tables of ${path} as ordinary ones.`,
    cause,
  });
}

/** Loads the files as they will be, by the daemon's rules: every wanted handler is there, and no other runtime came or went. */
export async function checkResult(
  host: HostView,
  instance: Instance,
  after: Overlay,
  before: ConfigSet,
  carried: TomlTable,
  wanted: readonly WantedHandler[],
  only: ((set: ConfigSet) => ConfigSet['files'][number]) | undefined,
): Promise<void> {
  const set = await loadSet(filesView(host, after), instance.configPath, parseVersion(instance.version));
  checkSet(set, instance, host);
  const names = (files: ConfigSet['files']) => files.flatMap((file) => Object.keys(runtimesOf(file.doc.value)));
  const visible = only && set.files.length > 0 ? [only(set)] : set.files;
  const lost = wanted.find((handler) => !names(visible).includes(handler.name));
  const expected = new Set([...names(before.files), ...Object.keys(carried), ...wanted.map((handler) => handler.name)]);
  const found = new Set(names(set.files));
  if (!lost && found.size === expected.size && [...found].every((name) => expected.has(name))) return;
  throw new KataError('engine-unsupported', {
    subject: instance.configPath,
    found: `The files as they would be do not offer exactly the wanted handlers${lost ? ` (${lost.name} is missing)` : ''}.`,
    needed: 'A configuration whose files can be extended by a table.',
    next: 'Run the command again with --json and send its output to the authors.',
  });
}
