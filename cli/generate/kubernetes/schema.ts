import { goJson, isTable, type Table, type Value } from './template/values.ts';

/** The words of JSON Schema that the chart's schema is written in. One of another kind is a fault of the chart. */
interface Schema {
  type?: string | string[];
  enum?: Value[];
  pattern?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  maxItems?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  propertyNames?: Schema;
  additionalProperties?: false | Schema;
  $ref?: string;
}

const known = [
  ...['type', 'enum', 'pattern', 'maxLength', 'minimum', 'maximum', 'items', 'maxItems', 'properties', 'required', 'propertyNames'],
  ...['additionalProperties', '$ref', '$schema', 'title', 'definitions'],
];

const types: Record<string, (value: Value) => boolean> = {
  object: isTable,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  integer: Number.isSafeInteger,
};

/** Where values are not what the chart's schema wants, in words; undefined where they fit. */
export function misfit(root: Schema & { definitions?: Record<string, Schema> }, value: Value): string | undefined {
  return misfitAt(root, value, '', root.definitions ?? {});
}

function misfitAt(given: Schema, value: Value, at: string, definitions: Record<string, Schema>): string | undefined {
  const schema = given.$ref === undefined ? given : definitions[given.$ref.replace('#/definitions/', '')]!;
  const odd = Object.keys(schema).find((word) => !known.includes(word));
  if (odd !== undefined) throw new Error(`the chart’s schema has the word ${odd}`);
  const here = at === '' ? 'the document' : at;
  const wanted = [schema.type ?? []].flat();
  if (wanted.length > 0 && !wanted.some((type) => types[type]!(value))) return `${here} is not ${wanted.map(typeWords).join(' or ')}`;
  if (schema.enum?.includes(value) === false) return `${here} is not one of ${schema.enum.map(goJson).join(', ')}`;
  if (typeof value === 'string') return textMisfit(schema, value, here);
  if (typeof value === 'number') return numberMisfit(schema, value, here);
  if (Array.isArray(value)) {
    if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) return `${here} has more than ${schema.maxItems} entries`;
    return firstOf(value, (each, index) => schema.items && misfitAt(schema.items, each, joined(at, String(index)), definitions));
  }
  return isTable(value) ? tableMisfit(schema, value, at, definitions) : undefined;
}

function textMisfit({ pattern, maxLength = Number.POSITIVE_INFINITY }: Schema, value: string, here: string): string | undefined {
  if ([...value].length > maxLength) return `${here} has more than ${maxLength} signs`;
  // With the flag u a sign is a code point, as in Go.
  return pattern === undefined || new RegExp(pattern, 'u').test(value) ? undefined : `${here} is not like ${pattern}`;
}

function numberMisfit({ minimum = -Infinity, maximum = Infinity }: Schema, value: number, here: string): string | undefined {
  return value >= minimum && value <= maximum ? undefined : `${here} is not between ${minimum} and ${maximum}`;
}

function tableMisfit(schema: Schema, value: Table, at: string, definitions: Record<string, Schema>): string | undefined {
  const missing = schema.required?.find((key) => value.get(key) === undefined);
  if (missing !== undefined) return `${joined(at, missing)} is missing`;
  const { properties = {}, propertyNames, additionalProperties } = schema;
  return firstOf([...value], ([key, each]) => {
    const place = joined(at, key);
    const named = propertyNames && misfitAt(propertyNames, key, `the key ${place}`, definitions);
    if (named !== undefined) return named;
    const own = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (own === false) return `${place} is not known`;
    return own && misfitAt(own, each, place, definitions);
  });
}

function firstOf<T>(values: T[], test: (value: T, index: number) => string | undefined): string | undefined {
  for (const [index, value] of values.entries()) {
    const found = test(value, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function joined(at: string, key: string): string {
  const said = /^[\w./-]{1,100}$/.test(key) ? key : JSON.stringify(key.slice(0, 100));
  return at === '' ? said : `${at}.${said}`;
}

function typeWords(type: string): string {
  return { object: 'a table', array: 'a list', string: 'a text', boolean: 'true or false', integer: 'a whole number' }[type]!;
}
