import { readJsonText } from '../../documents/jsonFile/index.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import type { Instance } from '../types.ts';
import { facts } from './facts.ts';
import { field, isTable, placeOfKeys, runtimesKey, type Table } from './runtimes.ts';
import type { SeenFile } from './seen.ts';

/** The name that dockerd keeps for itself. */
const reserved = 'runc';

const defaultKey = 'default-runtime';

/** See `Engine.defaultHandler`. A reload forgets no key that is missing, so that the default has to be named. */
export const defaultHandler = { keys: [[defaultKey]], setting: `"${defaultKey}": "runc" in daemon.json` };

/** The handler of `before` that a file with `after` names as its default and does not have. */
export function lostDefault(before: Table, after: Table): string | undefined {
  const [had, has] = [before[runtimesKey], after[runtimesKey]];
  const name = after[defaultKey];
  if (typeof name !== 'string' || !isTable(had) || !Object.hasOwn(had, name)) return undefined;
  return fatalDefault(name, [reserved, ...Object.keys(isTable(has) ? has : {})]).length > 0 ? name : undefined;
}

/** In words, with key names and no values; `keys`: where it is. */
export interface Fatal {
  keys: string[];
  why: string;
}

/**
 * What keeps dockerd from starting, and fails each reload, although `dockerd --validate` takes it: it looks at the JSON and the keys of the
 * outermost object alone (docs/facts/docker.md#what-dockerd---validate-does-not-see).
 */
export function fatalIn(value: Table, others: readonly string[] = []): Fatal[] {
  const runtimes = value[runtimesKey];
  if (runtimes !== undefined && runtimes !== null && !isTable(runtimes))
    return [{ keys: [runtimesKey], why: `${runtimesKey} is no object` }];
  const named = Object.entries(isTable(runtimes) ? runtimes : {});
  const names = [reserved, ...named.map(([name]) => name), ...others];
  return [...named.flatMap(([name, runtime]) => fatalRuntime(name, runtime)), ...fatalDefault(value[defaultKey], names)];
}

/** Throws engine-config-invalid where the daemon would not start, or not reload, with this file. `value`: without the text of kata-sysext. */
export function refuseFatal(
  { path, now = '' }: Pick<SeenFile, 'path' | 'now'>,
  value: Table,
  { unit = facts.units[0]!, process }: Instance,
  others: readonly string[] = [],
): void {
  const fatal = fatalIn(value, others);
  const [first] = fatal;
  if (first === undefined) return;
  const place = placeOfKeys(readJsonText(now, path), now, first.keys);
  throw new KataError('engine-config-invalid', {
    subject: path,
    found: `dockerd does not start with ${path}, and does not reload it${place === undefined ? '' : ` (${place})`}: ${said(fatal)}.`,
    needed: 'A configuration that the engine itself can load; dockerd --validate does not look at these keys.',
    next: `Repair ${path}, then${process === undefined ? ' run the command again' : `: systemctl reload ${commandWord(unit)}`}`,
  });
}

function said(fatal: readonly Fatal[]): string {
  return fatal
    .slice(0, 5)
    .map(({ why }) => why)
    .join('; ');
}

function fatalRuntime(name: string, runtime: unknown): Fatal[] {
  const at = `${runtimesKey}.${name}`;
  const keys = [runtimesKey, name];
  if (!isTable(runtime)) return [{ keys, why: `${at} is no object` }];
  const [path, type, args, options] = ['path', 'runtimeType', 'runtimeArgs', 'options'].map((key) => field(runtime, key));
  const has = (text: unknown) => text !== undefined && text !== null && text !== '';
  const filled = (many: unknown) => (Array.isArray(many) ? many.length > 0 : isTable(many) && Object.keys(many).length > 0);
  const rows: [boolean, string][] = [
    [name === reserved, `the name ${reserved} is reserved`],
    [has(path) && has(type), 'it has path and runtimeType'],
    [!has(path) && !has(type), 'it has neither path nor runtimeType'],
    [has(type) && filled(args), 'it has runtimeArgs beside runtimeType'],
    [has(path) && !has(type) && filled(options), 'it has options beside path'],
    ...['ConfigPath', 'TypeUrl'].map((key): [boolean, string] => [isNoText(field(options, key)), `options.${key} is no text`]),
  ];
  return rows.flatMap(([bad, why]) => (bad ? [{ keys, why: `${at}: ${why}` }] : []));
}

/** A name with a dot may be a shim's type, which needs no key. */
function fatalDefault(name: unknown, known: readonly string[]): Fatal[] {
  if (typeof name !== 'string' || name === '' || known.includes(name) || name.includes('.')) return [];
  return [{ keys: [defaultKey], why: `${defaultKey} names a handler that ${runtimesKey} does not have` }];
}

function isNoText(value: unknown): boolean {
  return value !== undefined && typeof value !== 'string';
}
