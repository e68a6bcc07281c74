import { KataError } from '../../errors/index.ts';
import { type JsonLimits, parseJson } from '../json.ts';
import { placeAt } from '../place.ts';

/** A part of a JSON text: where it is (`end` is exclusive, UTF-16 units as of strings), and what it holds. */
export interface JsonNode {
  start: number;
  end: number;
  /** Of an object, in their order. */
  members?: JsonMember[];
  value: unknown;
}

export interface JsonMember {
  /** As it counts, escapes resolved. */
  key: string;
  /** Of the key's opening quote. */
  start: number;
  value: JsonNode;
}

/** A configuration file in JSON: 1 MB, as no daemon's has. */
const usual: JsonLimits = { maxBytes: 1024 * 1024, maxDepth: 32, maxValues: 50_000 };

/**
 * The one object of a JSON text (RFC 8259: no comments, no trailing commas) with the places of its members, for edits that keep every other
 * byte. undefined for a text of nothing but white space. Throws engine-config-invalid with line and column, also for a key that an object
 * has twice. A byte order mark before the object is kept.
 */
export function readJsonText(text: string, path: string): JsonNode | undefined {
  const start = text.startsWith('\ufeff') ? 1 : 0;
  if (/^[ \t\r\n]*$/.test(text.slice(start))) return undefined;
  const reader: Reader = { text, path, at: start };
  checkSize(text.slice(start), path);
  skipSpace(reader);
  const node = text[reader.at] === '{' ? readValue(reader) : fail(reader, 'an object is expected');
  skipSpace(reader);
  return reader.at === text.length ? node : fail(reader, 'nothing may follow the object');
}

interface Reader {
  text: string;
  path: string;
  at: number;
}

/** By the program's reader of JSON, which counts before it makes anything of a text. Whatever else it has against it has a place below. */
function checkSize(text: string, path: string): void {
  try {
    parseJson(text, usual);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    if (/^it is no JSON(?:: an error at position \d+)?$/.test(found)) return;
    throw invalid(path, found);
  }
}

function readValue(reader: Reader): JsonNode {
  const char = reader.text[reader.at];
  if (char === '{') return readObject(reader);
  if (char === '[') return readList(reader);
  const start = reader.at;
  const value = char === '"' ? readString(reader) : readWord(reader);
  return { start, end: reader.at, value };
}

function readObject(reader: Reader): JsonNode {
  const start = reader.at;
  const members: JsonMember[] = [];
  const value = Object.create(null) as Record<string, unknown>;
  reader.at += 1;
  skipSpace(reader);
  while (reader.text[reader.at] !== '}' || members.length > 0) {
    const member = readMember(reader);
    if (Object.hasOwn(value, member.key)) return fail({ ...reader, at: member.start }, 'a key is there twice in one object');
    value[member.key] = member.value.value;
    members.push(member);
    skipSpace(reader);
    if (reader.text[reader.at] === '}') break;
    expect(reader, ',');
    skipSpace(reader);
  }
  reader.at += 1;
  return { start, end: reader.at, members, value };
}

function readMember(reader: Reader): JsonMember {
  const start = reader.at;
  if (reader.text[reader.at] !== '"') return fail(reader, 'a key in double quotes is expected');
  const key = readString(reader);
  skipSpace(reader);
  expect(reader, ':');
  skipSpace(reader);
  return { key, start, value: readValue(reader) };
}

function readList(reader: Reader): JsonNode {
  const start = reader.at;
  const value: unknown[] = [];
  reader.at += 1;
  skipSpace(reader);
  while (reader.text[reader.at] !== ']' || value.length > 0) {
    value.push(readValue(reader).value);
    skipSpace(reader);
    if (reader.text[reader.at] === ']') break;
    expect(reader, ',');
    skipSpace(reader);
  }
  reader.at += 1;
  return { start, end: reader.at, value };
}

function readString(reader: Reader): string {
  const start = reader.at;
  const found = matchAt(reader, /"[^"\\]*(?:\\.[^"\\]*)*"/sy);
  try {
    return parseJson(found ?? '') as string;
  } catch {
    return fail({ ...reader, at: start }, 'a string has no end, a line break, or an escape that JSON has not');
  }
}

function readWord(reader: Reader): unknown {
  const found = matchAt(reader, /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y);
  return found === undefined ? fail(reader, 'a value is expected') : parseJson(found);
}

function matchAt(reader: Reader, pattern: RegExp): string | undefined {
  pattern.lastIndex = reader.at;
  const [found] = pattern.exec(reader.text) ?? [];
  if (found !== undefined) reader.at += found.length;
  return found;
}

function skipSpace(reader: Reader): void {
  matchAt(reader, /[ \t\r\n]*/y);
}

function expect(reader: Reader, char: string): void {
  if (reader.text[reader.at] !== char) fail(reader, `“${char}” is expected`);
  reader.at += 1;
}

function fail({ text, path, at }: Reader, reason: string): never {
  throw invalid(path, `${placeAt(text, at)}: ${reason}`);
}

function invalid(path: string, found: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path} cannot be read as JSON: ${found}.`,
    needed: 'One JSON object without comments, trailing commas and keys that are there twice.',
    next: `Repair ${path}; if it is a template, render it first.`,
  });
}
