import { KataError } from '../../errors/index.ts';
import { placeAt } from '../place.ts';

/**
 * What a configuration may have. The parser keeps about 1 kB for each token, whatever its length, and calls itself for each level; a text
 * within all of these takes it less than 200 MB and 3 s. The largest files that engines write have 10 KB, 50 tables and 1,500 tokens.
 */
export const tomlLimits = {
  bytes: 1024 * 1024,
  /** Headers and inline tables. */
  tables: 5000,
  /** Keys, values, comments, and the marks between them. */
  tokens: 100_000,
  /** Lists and inline tables inside each other, and the parts of a dotted key. */
  depth: 64,
  /** Characters of a key, a value or a comment. */
  tokenChars: 64 * 1024,
  /** Files that an engine reads together, the tokens and the characters in all of them: what was parsed stays in memory. */
  files: 256,
  allTokens: 200_000,
  allChars: 4 * 1024 * 1024,
};

interface Scan {
  text: string;
  path: string;
  tables: number;
  tokens: number;
  depth: number;
  /** Dots since the last mark that no key goes over. */
  parts: number;
  /** Nothing but space since the last line end. */
  lineStart: boolean;
}

/**
 * Throws engine-config-invalid for a text that would take the parser too much memory, time or stack. It is read here by the one rule that
 * all of TOML has in common: outside of strings and comments a quote begins a string and a # a comment. Gives the number of tokens.
 */
export function requireBounded(text: string, path: string): number {
  if (text.length > tomlLimits.bytes || Buffer.byteLength(text) > tomlLimits.bytes) {
    throw tooMuch(path, undefined, `is larger than ${tomlLimits.bytes} bytes`);
  }
  const scan: Scan = { text, path, tables: 0, tokens: 0, depth: 0, parts: 0, lineStart: true };
  for (let at = 0; at < text.length; ) at = step(scan, at);
  return scan.tokens;
}

/** The same for the files that an engine reads together; `main`: the one that names the others. */
export function requireBoundedSet(files: readonly { doc: { tokens: number; text: string } }[], main: string, more = 0): void {
  if (files.length + more > tomlLimits.files) throw tooMuch(main, undefined, `brings in more than ${tomlLimits.files} files`);
  const tokens = files.reduce((sum, { doc }) => sum + doc.tokens, 0);
  if (tokens > tomlLimits.allTokens)
    throw tooMuch(main, undefined, `and the files that it brings in have more than ${tomlLimits.allTokens} keys, values and marks`);
  if (files.reduce((sum, { doc }) => sum + doc.text.length, 0) > tomlLimits.allChars)
    throw tooMuch(main, undefined, `and the files that it brings in have more than ${tomlLimits.allChars} characters`);
}

/** Counts what begins at this place and says where it ends. */
function step(scan: Scan, at: number): number {
  const char = scan.text[at]!;
  if (char === '\n' || char === '\r') {
    scan.lineStart = true;
    scan.parts = 0;
    return at + 1;
  }
  if (char === ' ' || char === '\t') return at + 1;
  scan.tokens += 1;
  if (scan.tokens > tomlLimits.tokens)
    throw tooMuch(scan.path, placeAt(scan.text, at), `has more than ${tomlLimits.tokens} keys, values and marks`);
  const end = marks[char]?.(scan, at) ?? endOfToken(scan, at, char);
  scan.lineStart = false;
  if (end - at > tomlLimits.tokenChars) {
    throw tooMuch(scan.path, placeAt(scan.text, at), `has a key, value or comment of more than ${tomlLimits.tokenChars} characters`);
  }
  return end;
}

const marks: Record<string, ((scan: Scan, at: number) => number) | undefined> = {
  '[': (scan, at) => open(scan, at, scan.lineStart && scan.depth === 0),
  '{': (scan, at) => open(scan, at, true),
  ']': close,
  '}': close,
  '.': (scan, at) => {
    scan.parts += 1;
    if (scan.parts >= tomlLimits.depth) throw tooDeep(scan, at);
    return at + 1;
  },
  '=': between,
  ',': between,
};

function open(scan: Scan, at: number, table: boolean): number {
  scan.depth += 1;
  scan.parts = 0;
  if (table) scan.tables += 1;
  if (scan.tables > tomlLimits.tables) throw tooMuch(scan.path, placeAt(scan.text, at), `has more than ${tomlLimits.tables} tables`);
  if (scan.depth > tomlLimits.depth) throw tooDeep(scan, at);
  return at + 1;
}

function close(scan: Scan, at: number): number {
  scan.depth = Math.max(0, scan.depth - 1);
  scan.parts = 0;
  return at + 1;
}

function between(scan: Scan, at: number): number {
  scan.parts = 0;
  return at + 1;
}

function endOfToken(scan: Scan, at: number, char: string): number {
  if (char === '#') return after(scan.text, at, /[\r\n]/g) ?? scan.text.length;
  if (char === '"' || char === "'") return endOfString(scan, at, char);
  return after(scan.text, at, /[ \t\r\n#"'[\]{}=,.]/g) ?? scan.text.length;
}

function endOfString(scan: Scan, at: number, quote: '"' | "'"): number {
  const { text } = scan;
  const long = text.startsWith(quote.repeat(3), at);
  const ends = long ? quote.repeat(3) : quote;
  for (let now = at + ends.length; now < text.length; now += 1) {
    const char = text[now]!;
    if (char === '\\' && quote === '"') now += 1;
    else if (!long && (char === '\n' || char === '\r')) break;
    else if (text.startsWith(ends, now)) {
      now += ends.length;
      // One or two quotes before the closing three belong to the text.
      for (let more = 0; long && more < 2 && text[now] === quote; more += 1) now += 1;
      return now;
    }
  }
  throw tooMuch(scan.path, placeAt(scan.text, at), 'has a string without an end');
}

function after(text: string, at: number, ends: RegExp): number | undefined {
  ends.lastIndex = at;
  return ends.exec(text)?.index;
}

function tooDeep(scan: Scan, at: number): KataError {
  return tooMuch(scan.path, placeAt(scan.text, at), `has keys, lists or tables nested more than ${tomlLimits.depth} deep`);
}

function tooMuch(path: string, place: string | undefined, found: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path}${place === undefined ? '' : `, ${place},`} ${found}.`,
    needed: `TOML 1.0 of at most ${tomlLimits.bytes} bytes and ${tomlLimits.tables} tables, nested at most ${tomlLimits.depth} deep.`,
    next: `Repair ${path}, or move it away if no engine needs it.`,
  });
}
