import { isTable, parseDocument, type TomlTable } from './document.ts';
import { plain, readings, sameSettings, subtract } from './readings.ts';

/** Where `mark` is in `text`; undefined unless it is there exactly once, so that nothing needs to be guessed. */
export function findMark(text: string, mark: string): number | undefined {
  if (mark === '') return undefined;
  const at = text.indexOf(mark);
  return at >= 0 && text.indexOf(mark, at + 1) < 0 ? at : undefined;
}

/**
 * Where the text of kata-sysext is, offsets into the whole text; undefined as with `findMark`. The newline that the mark begins with is no part of it
 * where it ends a line of others: one that was written between the empty line and the block, or the last line, which lacked it, with more below.
 * A table alone may follow a text of kata-sysext that is gone by now, and brought the newline.
 */
export function rangeOf(text: string, mark: string): { start: number; end: number } | undefined {
  const at = findMark(text, mark);
  if (at === undefined) return undefined;
  const end = at + mark.length;
  const lead = /^\r?\n(?<block># BEGIN )?/.exec(mark);
  const isBelow = lead !== null && at > 0 && text[at - 1] !== '\n';
  const isTheirs = isBelow && (lead.groups?.['block'] !== undefined || /^(?:[^\r\n]|\r[^\n])/.test(text.slice(end)));
  return { start: isTheirs ? at + (mark.startsWith('\r') ? 2 : 1) : at, end };
}

/**
 * The text without the range of kata-sysext, every other byte kept. undefined when the range is not there exactly once, or when taking it out would
 * change what the rest says (keys that an editor wrote below the last table of the range belong to it).
 */
export function withoutMark(text: string, mark: string, path: string): string | undefined {
  const range = rangeOf(text, mark);
  if (range === undefined) return undefined;
  const before = text.slice(0, range.start);
  const after = text.slice(range.end);
  const candidates = [before + after, before + after.replace(/^\s*,[ \t]*/, '')];
  const key = switchLine.exec(mark)?.groups?.['key'];
  if (key !== undefined) return sameBut(key, text, before + after, path) ? before + after : undefined;
  const wanted = remainder(text, mark, path);
  // Of what is no TOML only bytes can be judged.
  if (!wanted) return candidates[0];
  return candidates.find((candidate) => says(candidate, wanted, path));
}

/** A switch that kata-sysext set inside a table of another program; what the table said before may follow as the end of the comment. */
const switchLine = /^(?:\r?\n)?[ \t]*(?<key>[\w-]+) = (?:true|false) # [^\r\n]*kata-sysext[^\r\n]*(?:\r?\n)?$/;

/** Whether two texts say the same but for keys of this name; of what is no TOML only bytes can be judged. */
function sameBut(key: string, text: string, other: string, path: string): boolean {
  let was: TomlTable[];
  try {
    was = readings(text, path);
  } catch {
    return true;
  }
  return says(other, was, path, (value) => withoutKey(value, key) as TomlTable);
}

function withoutKey(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value.map((each) => withoutKey(each, key));
  if (!isTable(value)) return value;
  const copy: TomlTable = Object.create(null);
  for (const name of Object.keys(value)) if (name !== key) copy[name] = withoutKey(value[name], key);
  return copy;
}

function says(text: string, wanted: TomlTable[], path: string, seen = (value: TomlTable): TomlTable => value): boolean {
  try {
    return readings(text, path).every((value, index) => sameSettings(seen(value), seen(wanted[index]!)));
  } catch {
    return false;
  }
}

/** What the text says without what the mark says; undefined when the text cannot be read (then only bytes can be judged). */
function remainder(text: string, mark: string, path: string): TomlTable[] | undefined {
  try {
    const marked = markValue(mark, path);
    return readings(text, path).map((value) => subtract(value, marked.value, marked.element));
  } catch {
    return undefined;
  }
}

/** A mark is a block of TOML or one element of the `imports` list. */
function markValue(mark: string, path: string): { value: TomlTable; element: boolean } {
  try {
    return { value: plain(parseDocument(mark.replace(/^\ufeff/, ''), path).value) as TomlTable, element: false };
  } catch {
    const list = `imports = [${mark.replace(/^\s*,/, '')}]`;
    return { value: plain(parseDocument(list, path).value) as TomlTable, element: true };
  }
}
