import { refusedKeys } from './keys.ts';

export interface JsonLimits {
  maxBytes?: number;
  /** Objects and lists inside each other. */
  maxDepth?: number;
  /** Objects, lists, and what is in them. */
  maxValues?: number;
}

/** A payload manifest has about 500 KB, 20,000 values and a depth of 4. */
const usual = { maxBytes: 16 * 1024 * 1024, maxDepth: 64, maxValues: 1_000_000 };

/**
 * The value of a JSON text, objects without a prototype: the one reader of JSON in this program. Throws SyntaxError for what is no JSON, is
 * larger or deeper than the limits, or has one of the refused keys. The message has a place in the value and no content.
 */
export function parseJson(text: string, limits: JsonLimits = {}): unknown {
  const { maxBytes, maxDepth, maxValues } = { ...usual, ...limits };
  // A text has at most as many bytes as three times its length, and at least as many as its length.
  if (text.length > maxBytes || (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes)) {
    throw new SyntaxError(`it is larger than ${maxBytes} bytes`);
  }
  requireSmall(text, maxDepth, maxValues);
  return bare(parsed(text), []);
}

/** V8 quotes the text in its message, which may hold secrets. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = error instanceof Error ? / at position \d+/.exec(error.message)?.[0] : undefined;
    throw new SyntaxError(`it is no JSON${place === undefined ? '' : `: an error${place}`}`);
  }
}

const [quote, backslash, comma, openList, closeList, openObject, closeObject] = [...'"\\,[]{}'].map((char) => char.charCodeAt(0));

/** Before anything is made of it: counts brackets and commas outside of strings. */
function requireSmall(text: string, maxDepth: number, maxValues: number): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === quote) at = endOfString(text, at);
    else if (char === comma) values += 1;
    else if (char === openList || char === openObject) {
      depth += 1;
      values += 1;
      if (depth > maxDepth) throw new SyntaxError(`it is nested more than ${maxDepth} deep`);
    } else if (char === closeList || char === closeObject) depth -= 1;
    if (values > maxValues) throw new SyntaxError(`it has more than ${maxValues} values`);
  }
}

/** Where the closing quote is; the end of the text where there is none. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === quote) return at;
    if (char === backslash) at += 1;
  }
  return text.length;
}

/** Changes the value in place: a copy would need the memory twice, and objects that are made without a prototype are larger. */
function bare(value: unknown, place: string[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const key of Object.keys(value)) {
    const list = Array.isArray(value);
    if (!list && refusedKeys.has(key)) throw new SyntaxError(`it has the key ${key}${place.length === 0 ? '' : ` in ${place.join('.')}`}`);
    place.push(key);
    bare((value as Record<string, unknown>)[key], place);
    place.pop();
  }
  return Array.isArray(value) ? value : Object.setPrototypeOf(value, null);
}

/** The own properties of an object in one without a prototype: what is read of it later is what the caller wrote, and nothing inherited. */
export function ownProperties<T extends object>(options: T): T {
  return Object.assign(Object.create(null), options);
}
