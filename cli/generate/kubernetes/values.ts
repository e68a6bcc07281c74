import { parseDocument } from 'yaml';
import { longAssets } from '../../assets/long.ts';
import { parseJson } from '../../documents/index.ts';
import { KataError } from '../../errors/index.ts';
import { parseYaml } from '../../facts/yaml.ts';
import { chartPlace } from './chart.ts';
import { misfit } from './schema.ts';
import { asValue, goJson, isTable, type Table, type Value } from './template/values.ts';

const maxBytes = 262_144;

/** The text of a file of values, YAML or JSON. Throws `usage`. */
export function readValues(text: string, path: string): Table {
  if (Buffer.byteLength(text) > maxBytes) throw unfit(path, `it has more than ${maxBytes} bytes`);
  let value: Value;
  try {
    value = asValue(parseYaml(text));
  } catch (error) {
    throw unfit(path, (error as Error).message);
  }
  if (value === undefined) return new Map();
  if (!isTable(value)) throw unfit(path, 'it is no table');
  // Helm reads YAML 1.1, in which yes is true, and 010 is eight.
  const older = parseDocument(text, { version: '1.1', uniqueKeys: false, logLevel: 'silent' });
  if (older.errors.length > 0 || !isSame(value, older.toJS({ mapAsMap: true, maxAliasCount: 0 })))
    throw unfit(path, 'Helm would read a value of it as another one, such as yes as true: it needs quotes');
  return value;
}

function isSame(value: Value, older: unknown): boolean {
  try {
    return goJson(value) === goJson(asValue(older));
  } catch {
    return false;
  }
}

/** The chart's values with those of the user in their place, as Helm merges them: tables key by key, null takes a key away. Throws `usage`. */
export function wholeValues(given: Table, path: string): Table {
  const values = merged(defaults(), given);
  const wrong = misfit(parseJson(longAssets.asset(`${chartPlace}/values.schema.json`)) as Parameters<typeof misfit>[0], values);
  if (wrong !== undefined) throw unfit(path, wrong);
  return values;
}

function defaults(): Table {
  return asValue(parseYaml(longAssets.asset(`${chartPlace}/values.yaml`))) as Table;
}

/** Pure: neither table changes. */
export function merged(onto: Table, given: Table): Table {
  const result = new Map(onto);
  for (const [key, value] of given) {
    const before = result.get(key);
    if (value === undefined) result.delete(key);
    else result.set(key, isTable(value) && isTable(before) ? merged(before, value) : value);
  }
  return result;
}

function unfit(path: string, found: string): KataError {
  return new KataError('usage', {
    subject: path,
    found: `${path}: ${found}`,
    needed: 'values as values.yaml of the chart describes them',
    next: 'kata-sysext generate kubernetes -o DIR; then read DIR/kata-sysext/values.yaml',
  });
}
