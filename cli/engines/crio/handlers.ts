import { posix } from 'node:path';
import { asset } from '../../assets/index.ts';
import { fillTemplate, isTable, sameSettings, type TomlTable, tomlKey, tomlString, valueAt } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { WantedHandler } from '../types.ts';
import type { ConfigSet, LoadedFile } from './loader.ts';

/** Where handlers are in the files and in the dump. */
export const runtimesPath = ['crio', 'runtime', 'runtimes'];

/** CRI-O drops a handler of type vm whose shim is named otherwise: no dot, no underscore (docs/facts/crio.md#checks-of-a-handler). */
export const shimName = /^containerd-shim-[a-zA-Z0-9\-+]+$/;

/** Throws handler-unknown for a shim that CRI-O would not take. */
export function checkShims(wanted: readonly WantedHandler[]): void {
  const odd = wanted.find(({ shim }) => !shimName.test(posix.basename(shim)));
  if (odd === undefined) return;
  throw new KataError('handler-unknown', {
    subject: odd.name,
    found: `The shim of ${odd.name} is named ${posix.basename(odd.shim)}.`,
    needed: 'A name like containerd-shim-kata-v2: CRI-O ignores handlers of other names.',
    next: 'Choose a handler whose shim has such a name.',
  });
}

/** What the handler's table says, as data: the text of the template and the daemon's dump are judged by it. */
export function handlerTable({ shim, configuration }: WantedHandler): TomlTable {
  return {
    runtime_path: shim,
    runtime_type: 'vm',
    runtime_root: '/run/vc',
    runtime_config_path: configuration,
    privileged_without_host_devices: true,
  };
}

/** The lines of the handler's table, from the template. */
export function handlerLines(handler: WantedHandler): string[] {
  const text = fillTemplate(asset('cli/engines/crio/handler.toml'), {
    handler: tomlKey(handler.name),
    shim: tomlString(handler.shim),
    configuration: tomlString(handler.configuration),
  });
  return text.trimEnd().split('\n');
}

/** `{crio: {runtime: {runtimes}}}` */
export function crioTable(runtimes: TomlTable): TomlTable {
  return runtimesPath.reduceRight<TomlTable>((inner, key) => ({ [key]: inner }), runtimes);
}

/**
 * The handlers of a file. CRI-O's TOML library takes the keys of structures in any case (`[CRIO.Runtime.RUNTIMES.x]`, tried with
 * 1.36.3), but keeps a handler's name as written.
 */
export function runtimesOf(value: TomlTable): [string, unknown][] {
  let found: unknown[] = [value];
  for (const key of runtimesPath) found = found.flatMap((table) => inAnyCase(table, key));
  return found.flatMap((table) => (isTable(table) ? Object.entries(table) : []));
}

/** What a file says for all pods, with the keys as the daemon's dump has them. */
export function settingsOf(value: TomlTable): TomlTable {
  const tables = inAnyCase(value, 'crio').flatMap((table) => inAnyCase(table, 'runtime'));
  const entries = tables.flatMap((table) => (isTable(table) ? Object.entries(table) : []));
  return { crio: { runtime: Object.fromEntries(entries.map(([key, each]) => [key.toLowerCase(), each])) as TomlTable } };
}

/** The values of a key of a structure, in whatever case it is written. */
export function inAnyCase(table: unknown, key: string): unknown[] {
  if (!isTable(table)) return [];
  return Object.keys(table)
    .filter((name) => name.toUpperCase() === key.toUpperCase())
    .map((name) => table[name]);
}

/** Where a handler of this name is defined. */
export function definitionsOf(set: ConfigSet, name: string): { file: LoadedFile; value: unknown }[] {
  return set.files.flatMap((file) => runtimesOf(file.doc.value).flatMap(([key, value]) => (key === name ? [{ file, value }] : [])));
}

/** True when a definition says exactly what kata-sysext would write. */
export function isSame(value: unknown, handler: WantedHandler): boolean {
  return isTable(value) && sameSettings(value, handlerTable(handler));
}

/** True when a definition names the handler's shim, type and configuration, whatever its other settings are. */
export function leadsToOurs(value: unknown, handler: WantedHandler): boolean {
  const { runtime_path, runtime_type, runtime_config_path } = handlerTable(handler);
  const wanted = { runtime_path, runtime_type, runtime_config_path };
  return Object.entries(wanted).every(([key, text]) => valueAt(value, [key]) === text);
}
