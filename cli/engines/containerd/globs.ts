import { posix } from 'node:path';
import { KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import type { FilesView } from '../common/filesView.ts';

/** containerd looks for a literal `*` and nothing else to tell a pattern from a path (docs/facts/containerd.md#imports). */
export function isPattern(path: string): boolean {
  return path.includes('*');
}

const meta = /[*?[\\]/;

/** The folder of a pattern whose only wild part is the file name; undefined for others. */
export function patternFolder(pattern: string): HostPath | undefined {
  const folder = posix.dirname(pattern);
  return meta.test(folder) ? undefined : folder;
}

/**
 * Go's filepath.Match for one name: `*` and `?` match a leading dot too; classes may be negated by `^`. A broken pattern matches nothing. Of
 * several stars only the last one is tried again, so that the time grows with the product of both lengths and no more.
 */
export function matchesName(pattern: string, name: string): boolean {
  const parts = partsOf(pattern);
  if (parts === undefined) return false;
  const letters = [...name];
  let [part, letter] = [0, 0];
  let retry: { part: number; letter: number } | undefined;
  while (letter < letters.length) {
    const now = parts[part];
    if (now === 'any') {
      part += 1;
      retry = { part, letter };
    } else if (now?.(letters[letter]!) === true) {
      part += 1;
      letter += 1;
    } else {
      if (retry === undefined) return false;
      retry.letter += 1;
      ({ part, letter } = retry);
    }
  }
  return parts.slice(part).every((rest) => rest === 'any');
}

/** What each part of a pattern takes: any number of letters, or one letter. */
type Part = 'any' | ((letter: string) => boolean);

/** undefined for a broken pattern. */
function partsOf(pattern: string): Part[] | undefined {
  const letters = [...pattern];
  const parts: Part[] = [];
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at]!;
    if (letter === '*') parts.push('any');
    else if (letter === '?') parts.push(() => true);
    else if (letter === '[') {
      const found = classAt(letters, at + 1);
      if (found === undefined) return undefined;
      parts.push(found.takes);
      at = found.end;
    } else {
      if (letter === '\\') at += 1;
      const wanted = letters[at];
      if (wanted === undefined) return undefined;
      parts.push((given) => given === wanted);
    }
  }
  return parts;
}

/** The class that begins behind `[`, and where its `]` is. */
function classAt(letters: readonly string[], from: number): { takes: (letter: string) => boolean; end: number } | undefined {
  const negated = letters[from] === '^';
  const ranges: [number, number][] = [];
  let at = negated ? from + 1 : from;
  const one = (): number | undefined => {
    if (letters[at] === '-' || letters[at] === ']') return undefined;
    if (letters[at] === '\\') at += 1;
    return letters[at++]?.codePointAt(0);
  };
  while (letters[at] !== ']' || ranges.length === 0) {
    const low = one();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (letters[at] === '-') {
      at += 1;
      high = one();
    }
    if (high === undefined) return undefined;
    ranges.push([low, high]);
  }
  const takes = (letter: string) => {
    const point = letter.codePointAt(0)!;
    return ranges.some(([low, high]) => low <= point && point <= high) !== negated;
  };
  return { takes, end: at };
}

/** More than any host has files that an engine reads together. */
const maxCandidates = 4096;

/** Go's filepath.Glob: existing paths in the order of their names, folder by folder. */
export async function glob(view: FilesView, pattern: string): Promise<HostPath[]> {
  let found: HostPath[] = ['/'];
  for (const part of pattern.split('/').filter((text) => text !== '')) {
    const next: HostPath[] = [];
    for (const folder of found) {
      if (next.length > maxCandidates) throw tooMany(pattern);
      if (!meta.test(part)) next.push(posix.join(folder, part));
      else next.push(...(await view.list(folder)).filter((name) => matchesName(part, name)).map((name) => posix.join(folder, name)));
    }
    if (next.length > maxCandidates) throw tooMany(pattern);
    found = next;
  }
  const there = await Promise.all(found.map((path) => view.exists(path)));
  return found.filter((_, index) => there[index]);
}

function tooMany(pattern: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: pattern,
    found: `${pattern} matches more than ${maxCandidates} files and folders.`,
    needed: 'A pattern for a few files.',
    next: `Repair the imports that name ${pattern}.`,
  });
}
