import { parseDocument } from 'yaml';

/** What a document holds: tables are maps, so that no key of it is ever one of an object. */
export type YamlValue = string | number | boolean | bigint | null | undefined | YamlValue[] | Map<unknown, YamlValue>;

/**
 * The parser makes an object of each mark, of up to 1 kB, and some of its loops are quadratic: 1 MiB of commas took it 38 s. Configurations
 * that people write have some hundred.
 */
const maxMarks = 20_000;
const marks = /[[\]{},:?&*!|>#\n"'-]/g;
const refusedKeys = ['__proto__', 'constructor', 'prototype'];

/**
 * One YAML 1.2 (or JSON) document. Aliases are refused: a few lines of them can hold gigabytes. So are keys that are names of every object.
 * Throws an Error that says in words what is wrong. Import this file only where a document is read: the parser is large.
 */
export function parseYaml(text: string): YamlValue {
  const count = text.match(marks)?.length ?? 0;
  if (count > maxMarks) throw new Error(`it has ${count} marks, more than ${maxMarks}`);
  // Double keys are looked for by comparing each with each; the last one wins, as for kubelet.
  const options = { uniqueKeys: false, strict: true, schema: 'core', prettyErrors: false, logLevel: 'silent' } as const;
  const document = parseDocument(text, options);
  const [fault] = document.errors;
  if (fault !== undefined) throw new Error(fault.code);
  const value = document.toJS({ mapAsMap: true, maxAliasCount: 0 }) as YamlValue;
  refuseKeys(value);
  return value;
}

function refuseKeys(value: YamlValue): void {
  const open = [value];
  for (let at = open.pop(); open.length > 0 || at !== undefined; at = open.pop()) {
    if (at instanceof Map) {
      for (const [key, inner] of at) {
        if (refusedKeys.includes(String(key))) throw new Error(`it has the key ${String(key)}`);
        if (typeof inner === 'object' && inner !== null) open.push(inner);
      }
    } else if (Array.isArray(at)) open.push(...at.filter((inner) => typeof inner === 'object' && inner !== null));
  }
}
