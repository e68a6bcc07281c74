import { posix } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { AST } from 'toml-eslint-parser';
import {
  eolOf,
  parseDocument,
  readings,
  sameSettings,
  type TomlDocument,
  type TomlTable,
  tableAt,
  topLevelValue,
  valueAt,
} from '../../../documents/toml/index.ts';
import { KataError } from '../../../errors/index.ts';
import type { HostPath } from '../../../host/index.ts';
import { destination, engineTable, importedDropInName, importedFolder, snapshotterName, userDropInName } from './places.ts';

/** A handler that kata-deploy wrote. */
export interface DeployedHandler {
  name: string;
  /** 'qemu-runtime-rs': the release's word of the configuration that it has. */
  base: string;
  destination: HostPath;
  /** The file that its shim reads. */
  configuration: HostPath;
}

/** A text without what kata-deploy wrote into it. */
export interface CleanedText {
  /** 'absent' where nothing else is in it. */
  text: string | 'absent';
  handlers: DeployedHandler[];
  /** Key paths that went or got their earlier value. */
  keys: string[][];
}

/** One range of the text, and what that is for what the text says. */
interface Edit {
  from: number;
  to: number;
  text: string;
  keys: string[];
  /** undefined: the key goes. */
  value?: unknown;
}

/** `settings`: outside its handlers. In a file of others they are its only where its copy from before says something else. */
const { runtimes, wholeRuntimes, platforms, settings } = engineTable;
/** In one file. The time to take them out grows with their square. */
const mostHandlers = 200;

/** The destination, by the path of a shim. */
function destinationOf(shim: unknown): HostPath | undefined {
  const [, found] = /^(.*?)\/(?:runtime-rs\/)?bin\/containerd-shim-kata-v2$/.exec(typeof shim === 'string' ? shim : '') ?? [];
  return found !== undefined && destination.test(found) ? found : undefined;
}

/**
 * 'qemu' of runtimes/qemu/configuration-qemu.toml and of custom-runtimes/NAME/configuration-qemu.toml. A file without such a folder is one of
 * a release that an administrator unpacked.
 */
function baseOf(at: HostPath, configuration: unknown): string | undefined {
  const folder = `${at}/share/defaults/kata-containers/`;
  if (typeof configuration !== 'string' || !configuration.startsWith(folder)) return undefined;
  const below = configuration.slice(folder.length);
  return /^(?:runtime-rs\/)?(?:custom-)?runtimes\/[^/]+\/configuration-(?<base>[a-z0-9-]+)\.toml$/.exec(below)?.groups?.['base'];
}

/** Handlers with exactly the shape that kata-deploy gives them. Tables of others with the same shim are not among them. */
function handlersIn(value: TomlTable): (DeployedHandler & { keys: string[] })[] {
  const found: (DeployedHandler & { keys: string[] })[] = [];
  const add = (name: string, keys: string[], shim: unknown, configuration: unknown) => {
    const at = destinationOf(shim);
    const base = at === undefined ? undefined : baseOf(at, configuration);
    if (at !== undefined && base !== undefined) found.push({ name, base, destination: at, configuration: String(configuration), keys });
  };
  for (const path of runtimes)
    for (const [name, table] of Object.entries(tableAt(value, path))) {
      const isIts =
        valueAt(table, ['runtime_type']) === `io.containerd.${name}.v2` && valueAt(table, ['privileged_without_host_devices']) === true;
      if (isIts) add(name, [...path, name], valueAt(table, ['runtime_path']), valueAt(table, ['options', 'ConfigPath']));
    }
  for (const [name, table] of Object.entries(tableAt(value, wholeRuntimes)))
    if (valueAt(table, ['runtime_type']) === 'vm')
      add(name, [...wholeRuntimes, name], valueAt(table, ['runtime_path']), valueAt(table, ['runtime_config_path']));
  return found;
}

/**
 * The text without kata-deploy's. `before`: what the file said before it, where that is known ('' for a file of its own). Throws
 * `engine-config-invalid` for what is no TOML, and `engine-unsupported` where something cannot be taken out by its text.
 */
export function withoutDeployed(text: string, path: HostPath, before: string | undefined): CleanedText {
  const doc = parseDocument(text, path);
  const own = handlersIn(doc.value);
  if (own.length > mostHandlers) throw tooMany(path, own.length);
  const was = before === undefined ? undefined : parseDocument(before, path);
  const tables = [...own.map(({ keys }) => keys), ...tablesBeside(doc, own)];
  const edits = [...tables.flatMap((keys) => tableEdits(doc, keys)), ...importEdits(doc)];
  if (was !== undefined) edits.push(...settings.flatMap((setting) => settingEdits(doc, was, setting)));
  const handlers = own.map(({ keys: _keys, ...handler }) => handler);
  if (edits.length + tables.length === 0) return { text, handlers, keys: [] };
  const after = applied(text, edits);
  if (!saysTheRest(text, after, path, [...tables.map((keys) => ({ keys })), ...edits])) throw notByText(path, own);
  return { text: isBlank(after, path) ? 'absent' : after, handlers, keys: [...tables, ...edits.map(({ keys }) => keys)] };
}

/** Tables that belong to its handlers and its snapshotter. */
function tablesBeside({ value }: TomlDocument, own: readonly DeployedHandler[]): string[][] {
  const plugins = Object.keys(tableAt(value, ['proxy_plugins'])).filter((name) => snapshotterName.test(name));
  return [
    ...own.filter(({ name }) => Object.hasOwn(tableAt(value, platforms), name)).map(({ name }) => [...platforms, name]),
    ...plugins.map((name) => ['proxy_plugins', name]),
  ];
}

function nodesOf(doc: TomlDocument): (AST.TOMLTable | AST.TOMLKeyValue)[] {
  return doc.program.body[0].body;
}

/** Its editor writes each table with an empty line ahead: both go. */
function tableEdits(doc: TomlDocument, keys: string[]): Edit[] {
  return nodesOf(doc).flatMap((node) => {
    if (node.type !== 'TOMLTable' || !keys.every((key, index) => node.resolvedKey[index] === key)) return [];
    return [{ ...wholeTable(doc, node), text: '', keys }];
  });
}

function wholeTable(doc: TomlDocument, node: AST.TOMLTable): { from: number; to: number } {
  const { from, to } = linesOf(doc, node);
  const ahead = /(?:^|\n)(?<empty>\r?\n)$/.exec(doc.text.slice(doc.start, from))?.groups?.['empty']?.length ?? 0;
  return { from: from - ahead, to };
}

function linesOf({ text, start }: TomlDocument, { range }: AST.TOMLNode): { from: number; to: number } {
  const end = text.indexOf('\n', start + range[1]);
  return { from: Math.max(start, text.lastIndexOf('\n', start + range[0] - 1) + 1), to: end < 0 ? text.length : end + 1 };
}

/** Its element of the list; the line with it, where the list has no other, and the line is not an administrator's by its looks. */
function importEdits(doc: TomlDocument): Edit[] {
  const list = topLevelValue(doc, 'imports');
  if (list?.type !== 'TOMLArray') return [];
  const isIts = (node: AST.TOMLContentNode) => node.type === 'TOMLValue' && typeof node.value === 'string' && isDeployedImport(node.value);
  const its = list.elements.filter(isIts);
  if (its.length === 0) return [];
  const rest = list.elements.filter((node) => !isIts(node)).map((node) => (node.type === 'TOMLValue' ? node.value : undefined));
  const whole = linesOf(doc, list.parent);
  if (rest.length === 0 && !doc.text.slice(whole.from, whole.to).includes('#') && !isDump(doc))
    return [{ ...whole, text: '', keys: ['imports'] }];
  return its.map((node) => {
    if (rest.length === 0) return { ...elementOf(doc, node), text: '', keys: ['imports'], value: [] };
    const index = list.elements.indexOf(node);
    const [previous, next] = [list.elements[index - 1], list.elements[index + 1]];
    const from = previous === undefined ? node.range[0] : previous.range[1];
    const to = previous === undefined && next !== undefined ? next.range[0] : node.range[1];
    return { from: doc.start + from, to: doc.start + to, text: '', keys: ['imports'], value: rest };
  });
}

/** An element of a list that gets empty, with the comma behind it. */
function elementOf({ text, start }: TomlDocument, { range }: AST.TOMLContentNode): { from: number; to: number } {
  const comma = /^[ \t]*,/.exec(text.slice(start + range[1], start + range[1] + 100))?.[0].length ?? 0;
  return { from: start + range[0], to: start + range[1] + comma };
}

/** As `containerd config default` prints it: that has a list of imports, and an empty one too. */
export function isDump({ value }: TomlDocument): boolean {
  return ['oom_score', 'required_plugins', 'disabled_plugins'].every((key) => Object.hasOwn(value, key));
}

export function isDeployedImport(path: string): boolean {
  const [folder, name] = [posix.dirname(path), posix.basename(path)];
  const isItsName = name === importedDropInName || userDropInName.test(name);
  return isItsName && folder.endsWith(`/${importedFolder}`) && destination.test(folder.slice(0, -importedFolder.length - 1));
}

/** A setting that has kata-deploy's value, and another one before: back to that, with the line that it had. */
function settingEdits(doc: TomlDocument, was: TomlDocument, { keys, value }: (typeof settings)[number]): Edit[] {
  const [now, then] = [valueAt(doc.value, keys), valueAt(was.value, keys)];
  if (now === undefined || (value !== undefined && now !== value) || isDeepStrictEqual(now, then)) return [];
  const [here, there] = [pairAt(doc, keys), pairAt(was, keys)];
  if (here === undefined || (then !== undefined && there === undefined)) return [];
  if (there !== undefined) {
    const line = linesOf(was, there.pair);
    const old = was.text.slice(line.from, line.to);
    return [{ ...linesOf(doc, here.pair), text: old.endsWith('\n') ? old : `${old}${eolOf(doc.text)}`, keys, value: then }];
  }
  const own = keys.slice(0, -1);
  const goes = ({ key }: AST.TOMLKeyValue) =>
    settings.some((each) => sameKeys(each.keys, [...own, ...namesIn(key)])) && pairAt(was, [...own, ...namesIn(key)]) === undefined;
  const isOnly = here.table.body.every(goes) && !nodesOf(was).some((node) => node.type === 'TOMLTable' && sameKeys(node.resolvedKey, own));
  return [{ ...(isOnly ? wholeTable(doc, here.table) : linesOf(doc, here.pair)), text: '', keys }];
}

function sameKeys(a: readonly (string | number)[], b: readonly (string | number)[]): boolean {
  return a.length === b.length && a.every((key, index) => b[index] === key);
}

function namesIn({ keys }: AST.TOMLKey): string[] {
  return keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
}

function pairAt(doc: TomlDocument, keys: string[]): { table: AST.TOMLTable; pair: AST.TOMLKeyValue } | undefined {
  const table = nodesOf(doc).find(
    (node): node is AST.TOMLTable => node.type === 'TOMLTable' && sameKeys(node.resolvedKey, keys.slice(0, -1)),
  );
  const pair = table?.body.find(({ key }) => sameKeys(namesIn(key), keys.slice(-1)));
  return table === undefined || pair === undefined ? undefined : { table, pair };
}

/** Settings of one table may each take the whole table with them: every byte goes once. */
function applied(text: string, edits: readonly Edit[]): string {
  let result = '';
  let at = 0;
  for (const { from, to, text: added } of [...edits].sort((a, b) => a.from - b.from || b.to - a.to)) {
    if (to <= at) continue;
    result += text.slice(at, Math.max(at, from)) + added;
    at = to;
  }
  return result + text.slice(at);
}

/** By two parsers: what is left says what the text said, but for what went. */
function saysTheRest(text: string, after: string, path: string, edits: readonly Pick<Edit, 'keys' | 'value'>[]): boolean {
  try {
    const wanted = readings(text, path).map((value) => edits.reduce(withChange, value));
    return readings(after, path).every((value, index) => sameSettings(value, wanted[index]!));
  } catch {
    return false;
  }
}

function withChange(value: TomlTable, { keys, value: next }: Pick<Edit, 'keys' | 'value'>): TomlTable {
  const [key = '', ...below] = keys;
  const copy: TomlTable = Object.assign(Object.create(null), value);
  if (below.length > 0) {
    if (Object.hasOwn(copy, key)) copy[key] = withChange(copy[key] as TomlTable, { keys: below, value: next });
  } else if (next === undefined) delete copy[key];
  else copy[key] = next;
  return copy;
}

function isBlank(text: string, path: string): boolean {
  return !/^\s*#/m.test(text) && readings(text, path).every((value) => sameSettings(value, {}));
}

function tooMany(path: HostPath, count: number): KataError {
  return new KataError('adopt-unproven', {
    subject: path,
    found: `${path} has ${count} handlers of kata-deploy`,
    needed: `at most ${mostHandlers}: kata-deploy writes one for each shim`,
    next: `look at ${path}, and remove by hand what kata-deploy did not write`,
  });
}

function notByText(path: HostPath, own: readonly DeployedHandler[]): KataError {
  return new KataError('engine-unsupported', {
    subject: path,
    found: `${path} has what kata-deploy wrote (${own.map(({ name }) => name).join(', ') || 'an import'}) in a form that cannot be taken out by its text`,
    needed: 'its tables with a header each, as kata-deploy writes them',
    next: `take them out of ${path} by hand, then run the command again`,
  });
}

/** Texts that differ only by what kata-deploy's editor changes everywhere: line endings, and the newline at the end. */
export function sameBut(a: string, b: string): boolean {
  const usual = (text: string) => text.replace(/\r\n/g, '\n').replace(/\n*$/, '\n');
  return usual(a) === usual(b);
}
