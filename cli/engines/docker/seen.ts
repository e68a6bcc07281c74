import { decodeUtf8 } from '../../documents/index.ts';
import { cutMembers, isJson, readJsonText, sameJson, withoutRange } from '../../documents/jsonFile/index.ts';
import { errnoOf, type Finding, KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { findingsOf, type SeenMark } from '../common/seen.ts';
import type { Mark, Wiring } from '../types.ts';
import { runtimesIn, runtimesKey, saidBy, tableOf } from './runtimes.ts';

/** One file, and what of kata-sysext is in it. */
export interface SeenFile {
  path: HostPath;
  /** undefined when it is not there. */
  now: string | undefined;
  /** Without the text of kata-sysext. */
  bare: string | 'absent';
  marks: {
    mark: Mark;
    /** 'moved': another program wrote the file again, and the handlers in it say what was recorded. */
    state: 'intact' | 'moved' | 'altered' | 'gone';
  }[];
}

/** The file at `path`, which need not be recorded, and every recorded one. Throws engine-config-invalid for one that is no UTF-8. */
export async function seeFiles(host: HostView, path: HostPath, recorded?: Wiring): Promise<SeenFile[]> {
  // A file of the host may have become a link since.
  const marks = await Promise.all((recorded?.marks ?? []).map(async (mark) => ({ ...mark, path: await host.realpath(mark.path) })));
  const paths = [...new Set([path, ...marks.map((mark) => mark.path)])];
  const seen: SeenFile[] = [];
  for (const each of paths) {
    const now = await textOf(host, each);
    seen.push(
      seeFile(
        each,
        now,
        marks.filter((mark) => mark.path === each),
      ),
    );
  }
  return seen;
}

export function findingsIn(seen: readonly SeenFile[]): Finding[] {
  const marks = seen.flatMap(({ now, bare, marks: inFile }) => inFile.map((each) => ({ ...each, now, without: bare })));
  const edited = findingsOf(marks.filter((each): each is SeenMark => each.state !== 'moved'));
  const moved = marks.filter(({ state }) => state === 'moved').map(({ mark }) => movedIn(mark.path));
  return [...edited, ...moved];
}

export async function textOf(host: HostView, path: HostPath): Promise<string | undefined> {
  try {
    return decodeUtf8(await host.readFile(path, 'configuration'), path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    if (errnoOf(error) === 'EISDIR') throw folderThere(path);
    throw error;
  }
}

function seeFile(path: HostPath, now: string | undefined, marks: Mark[]): SeenFile {
  const file: SeenFile = { path, now, bare: now ?? 'absent', marks: [] };
  for (const mark of marks) {
    const { bare, state } = file.bare === 'absent' ? { bare: file.bare, state: 'gone' as const } : withoutMark(file.bare, mark);
    file.bare = bare;
    file.marks.push({ mark, state });
  }
  return file;
}

type Without = Pick<SeenFile, 'bare'> & Pick<SeenFile['marks'][number], 'state'>;

/** By its exact text; else by its values, wherever and in whatever form they are. What was changed stays. */
function withoutMark(text: string, mark: Mark): Without {
  if (mark.kind === 'file' && text === mark.text) return { bare: 'absent', state: 'intact' };
  const exact = mark.kind === 'range' ? (withoutRange(text, mark.text, mark.path) ?? bytesOf(text, mark)) : undefined;
  return exact === undefined ? withoutValues(text, mark) : { bare: exact, state: 'intact' };
}

/** Of a file that is no JSON any more only bytes can be judged. */
function bytesOf(text: string, { text: range, path }: Mark): string | undefined {
  const at = text.indexOf(range);
  if (isJson(text, path) || at < 0 || text.indexOf(range, at + 1) >= 0) return undefined;
  return text.slice(0, at) + text.slice(at + range.length);
}

function withoutValues(text: string, mark: Mark): Without {
  if (!isJson(text, mark.path)) return { bare: text, state: text.includes('kata-sysext') ? 'altered' : 'gone' };
  const { handlers, brought } = saidBy(mark.text);
  const now = tableOf(readJsonText(text, mark.path));
  const here = Object.keys(handlers).filter((name) => Object.hasOwn(now, name));
  const same = here.filter((name) => sameJson(now[name], handlers[name]));
  const state = same.length < here.length ? 'altered' : same.length > 0 ? 'moved' : 'gone';
  if (same.length === 0) return { bare: text, state };
  const rest = cutMembers(text, runtimesIn(readJsonText(text, mark.path))!, same);
  return { bare: brought ? withoutEmpty(rest, mark) : rest, state };
}

/** The key, and the file, that came with the handlers go where nothing else is in them. */
function withoutEmpty(text: string, { path, kind }: Mark): string | 'absent' {
  const root = readJsonText(text, path)!;
  if (Object.keys(tableOf(root)).length > 0) return text;
  const rest = cutMembers(text, root, [runtimesKey]);
  return kind === 'file' && readJsonText(rest, path)?.members?.length === 0 ? 'absent' : rest;
}

function movedIn(path: HostPath): Finding {
  return {
    code: 'drift-found',
    level: 'info',
    subject: path,
    found: `Another program or user wrote ${path} again; the handlers of kata-sysext in it say what was recorded.`,
    needed: 'Nothing.',
    next: 'Nothing needs to be done: this change writes them again.',
  };
}

function folderThere(path: HostPath): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path} is a folder, but the engine would read it as a file.`,
    needed: 'A configuration that the engine itself can load.',
    next: `Rename ${path}.`,
  });
}
