/** What a template works with. Tables are maps, so that no key of one is ever that of an object. */
export type Value = string | number | boolean | undefined | Value[] | Table;
export type Table = Map<string, Value>;

export function isTable(value: unknown): value is Table {
  return value instanceof Map;
}

/** Whether `if` takes it for true, as Go's text/template does. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isTable(value)) return value.size > 0;
  return value !== undefined && value !== false && value !== 0 && value !== '';
}

/** The keys of a table in the order in which Go visits them. */
export function sortedKeys(table: Table): string[] {
  return [...table.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** As Go's encoding/json writes it: sorted keys, and no sign that HTML knows. */
export function goJson(value: Value): string {
  if (value === undefined) return 'null';
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`;
  if (isTable(value))
    return `{${sortedKeys(value)
      .map((key) => `${goJson(key)}:${goJson(value.get(key))}`)
      .join(',')}}`;
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What JSON or YAML gave, as the template works with it: an object that came from JSON becomes a map. Throws an Error for other things. */
export function asValue(value: unknown): Value {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(asValue);
  const entries =
    value instanceof Map ? [...(value as Map<unknown, unknown>)] : typeof value === 'object' ? Object.entries(value) : undefined;
  if (entries === undefined) throw new Error(`a value of the type ${typeof value}`);
  return new Map(
    entries.map(([key, each]) => {
      if (typeof key !== 'string') throw new Error('a key that is no text');
      return [key, asValue(each)];
    }),
  );
}

/** The reverse. Keys are those of documents, never `__proto__`. */
export function plainOf(value: Value): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (!isTable(value)) return value ?? null;
  return Object.fromEntries([...value].map(([key, each]) => [key, plainOf(each)]));
}
