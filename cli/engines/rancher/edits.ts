import { addsExactly, findMark, sameSettings, type TomlTable, union } from '../../documents/toml/index.ts';
import type { KataError } from '../../errors/index.ts';
import type { SeenMark } from '../common/seen.ts';
import { unsupported } from '../common/unsupported.ts';
import { type ConfigSet, type Piece, piecesOf } from './containerd.ts';
import type { Place } from './placement.ts';
import { asToml, madeTemplate, readTemplate } from './templates.ts';

interface Content {
  /** The handlers' tables, each after an empty line. */
  lines: readonly string[];
  tables: TomlTable;
}

/** The planned file of a place. Throws engine-unsupported where the text would not say exactly what it shall. */
export function editedPieces(place: Place, { lines, tables }: Content, seen: readonly SeenMark[]): Piece[] {
  if (lines.some((line) => line.includes('{{'))) throw unfit('a path of kata-sysext', 'it has {{, which begins an action of a template');
  const written = { lines, schema: place.schema, isWritten: true, blank: false };
  if (place.kind === 'drop-in') {
    const pieces = piecesOf({ method: 'drop-in', path: place.path }, written, seen, () => '');
    for (const { mark, after } of pieces) {
      const value = readTemplate(after, mark.path)?.value;
      if (value === undefined || !sameSettings(value, union({ version: place.schema }, tables))) throw unfit(mark.path, 'a name is no key');
    }
    return pieces;
  }
  const [real, before] = place.kind === 'range' ? [place.template.real, place.template.text] : [place.path, madeTemplate];
  const pieces = piecesOf({ method: 'range', target: { real } as ConfigSet['files'][number] }, written, seen, () => before);
  for (const piece of pieces) verify(piece, before, tables);
  return pieces;
}

/** By two strict parsers: the text says what it said and the tables, and its removal gives back every byte. */
function verify({ mark, after }: Piece, before: string, tables: TomlTable): void {
  const { path, text } = mark;
  const at = findMark(after, text);
  const isBack = at !== undefined && after.slice(0, at) + after.slice(at + text.length) === before;
  const isExact = readTemplate(before, path) === undefined || adds(asToml(before), asToml(after), tables, path);
  if (!isBack || !isExact) throw unfit(path, 'a parent of the handler’s table is an inline table, a list or a plain value');
}

function adds(before: string, after: string, tables: TomlTable, path: string): boolean {
  try {
    return addsExactly(before, after, tables, path);
  } catch {
    return false;
  }
}

function unfit(path: string, why: string): KataError {
  return unsupported(
    path,
    `${path} is written in a shape to which no table can be added: ${why}.`,
    'Ordinary tables ([plugins...]) on the way to containerd.runtimes.',
    `Write the inline tables of ${path} as ordinary ones.`,
  );
}
