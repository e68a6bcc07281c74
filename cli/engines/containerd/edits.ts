import {
  blockAfter,
  eolOf,
  insert,
  insertAtEnd,
  insertElement,
  insertTopLevelLine,
  parseDocument,
  rangeOf,
  tomlString,
  topLevelValue,
} from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import type { SeenMark } from '../common/seen.ts';
import type { Mark } from '../types.ts';
import type { LoadedFile } from './loader.ts';

const beginLine = '# BEGIN kata-sysext: this block is recorded by its exact text; "kata-sysext uninstall" takes it out again.';
const endLine = '# END kata-sysext';
export const fileLine = '# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.';

/** Where the handlers' tables go. */
export type Placement =
  | { method: 'file'; path: HostPath }
  | { method: 'range'; target: LoadedFile }
  | { method: 'drop-in'; path: HostPath }
  /** Of a main file that cannot be edited: see `rootFile.ts`. */
  | { method: 'root file'; path: HostPath }
  | { method: 'root copy'; path: HostPath; target: LoadedFile }
  | { method: 'drop-in and import'; path: HostPath; main: LoadedFile; pattern: string };

/** One planned file, and the text of kata-sysext in it. */
export interface Piece {
  mark: Mark;
  after: string;
}

/** `lines` are the tables, each after an empty line; `schema` is written where kata-sysext chooses the schema of the file. */
export interface Content {
  lines: readonly string[];
  schema: number;
  /** False for tables that take the schema of the files around them: see `schemaBelowRoot`. */
  isWritten: boolean;
  /** The main file says nothing yet: the range has to give it a version. */
  blank: boolean;
}

/** The planned files of a placement. `seen` are the intact marks; `current` reads a file without the marks of kata-sysext. */
export function piecesOf(placement: Placement, content: Content, seen: readonly SeenMark[], current: (path: HostPath) => string): Piece[] {
  if (placement.method === 'range' || placement.method === 'root copy') {
    const version = content.blank ? ['', `version = ${content.schema}`] : [];
    const lines = [beginLine, ...[...version, ...content.lines].slice(1), endLine];
    if (placement.method === 'root copy') return [copyPiece(placement.path, placement.target.doc.text, lines)];
    return [rangePiece(placement.target.real, lines, seen, current)];
  }
  const version = content.isWritten ? [`version = ${content.schema}`] : [];
  const text = [fileLine, ...version, ...content.lines].map((line) => `${line}\n`).join('');
  const file: Piece = { mark: { path: placement.path, kind: 'file', text }, after: text };
  return placement.method === 'drop-in and import' ? [file, importPiece(placement.main.real, placement.pattern, seen, current)] : [file];
}

function intactRange(path: HostPath, seen: readonly SeenMark[]): { now: string; text: string } | undefined {
  const old = seen.find((one) => one.state === 'intact' && one.mark.kind === 'range' && one.mark.path === path);
  return old?.now === undefined ? undefined : { now: old.now, text: old.mark.text };
}

/** Replaces the old range where it is, so that the text around it keeps its order; without an old range, appends to the file. */
function rangePiece(path: HostPath, lines: string[], seen: readonly SeenMark[], current: (path: HostPath) => string): Piece {
  const old = intactRange(path, seen);
  if (!old) {
    const added = insertAtEnd(current(path), lines);
    return { mark: { path, kind: 'range', text: added.text }, after: insert(current(path), added) };
  }
  const { start, end } = rangeOf(old.now, old.text)!;
  const before = old.now.slice(0, start);
  const text = blockAfter(before, lines, eolOf(old.now));
  return { mark: { path, kind: 'range', text }, after: before + text + old.now.slice(end) };
}

/** What of a text is kata-sysext's own: a copy of the vendor's file has a block of it. */
export function ownBlock({ kind, text }: Mark): string {
  const at = kind === 'file' ? text.indexOf(beginLine) : -1;
  return at <= 0 ? text : text.slice(at);
}

function copyPiece(path: HostPath, text: string, lines: string[]): Piece {
  const after = insert(text, insertAtEnd(text, lines));
  return { mark: { path, kind: 'file', text: after }, after };
}

function importPiece(path: HostPath, pattern: string, seen: readonly SeenMark[], current: (path: HostPath) => string): Piece {
  const old = intactRange(path, seen);
  if (old) return { mark: { path, kind: 'range', text: old.text }, after: old.now };
  const doc = parseDocument(current(path), path);
  const list = topLevelValue(doc, 'imports');
  const added =
    list?.type === 'TOMLArray'
      ? insertElement(doc, list, tomlString(pattern))
      : list
        ? undefined
        : insertTopLevelLine(doc, `imports = [${tomlString(pattern)}] # added by kata-sysext`);
  if (!added) {
    throw new KataError('engine-unsupported', {
      subject: path,
      found: `${path} has no place for an import that this version knows.`,
      needed: 'A plain imports list, or a plain version key above the tables.',
      next: `Add "${pattern}" to imports in ${path} by hand, then try again.`,
    });
  }
  return { mark: { path, kind: 'range', text: added.text }, after: insert(doc.text, added) };
}
