import { type CST, Parser, parseDocument } from 'yaml';
import { placeAt } from '../documents/index.ts';
import { boundAliases, refuseAliases, refuseLateMerges } from './yamlAliases.ts';

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
 * Collections inside each other. What the parser makes of its tokens is recursive; where the stack runs out while an expression is compiled,
 * V8 ends the process, which nothing catches.
 */
const maxDepth = 64;

/**
 * One YAML 1.2 (or JSON) document. Aliases are refused, or followed within bounds and together with merge keys, as the programs do that read
 * configurations of Kubernetes. Keys that are names of every object are refused. Throws an Error that says in words what is wrong. Import this
 * file only where a document is read: the parser is large.
 */
export function parseYaml(text: string, { aliases = false } = {}): YamlValue {
  const count = text.match(marks)?.length ?? 0;
  if (count > maxMarks) throw new Error(`it has ${count} marks, more than ${maxMarks}`);
  refuseDepth(text);
  // Double keys are looked for by comparing each with each; the last one wins, as for kubelet.
  const options = { uniqueKeys: false, strict: true, schema: 'core', merge: aliases, prettyErrors: false, logLevel: 'silent' } as const;
  const document = parseDocument(text, options);
  const [fault] = document.errors;
  if (fault !== undefined) throw new Error(`${fault.code} (${placeAt(text, fault.pos[0])})`);
  if (aliases) {
    refuseLateMerges(document, text);
    boundAliases(document, text, maxDepth);
  } else refuseAliases(document, text);
  const value = document.toJS({ mapAsMap: true, maxAliasCount: aliases ? -1 : 0 }) as YamlValue;
  refuseKeys(value);
  return value;
}

/** By tokens, which are made without recursion. */
function refuseDepth(text: string): void {
  const open: { token: CST.Token; depth: number }[] = [...new Parser().parse(text)].map((token) => ({ token, depth: 0 }));
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { token, depth } = at;
    if (depth > maxDepth) throw new Error(`it is nested more than ${maxDepth} deep`);
    if (token.type === 'document' && token.value !== undefined) open.push({ token: token.value, depth });
    if (!('items' in token)) continue;
    for (const { key, value } of token.items as CST.CollectionItem[])
      for (const inner of [key, value]) if (inner !== undefined && inner !== null) open.push({ token: inner, depth: depth + 1 });
  }
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
