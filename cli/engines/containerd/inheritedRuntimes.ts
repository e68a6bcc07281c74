import { isTable, parseDocument, renderTable, type TomlTable } from '../../documents/toml/index.ts';
import type { HostView } from '../../host/types.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance } from '../types.ts';
import { effectiveConfig } from './dump.ts';
import type { ConfigSet, LoadedFile } from './loader.ts';
import { type Merging, runtimesOf, runtimesPath } from './schema.ts';

/** What 1.x has when no file names a runtime: all else is zero in the dumps of 1.6.20 and 1.7.24 (1.7 fills sandbox_mode when it starts). */
const documentedDefault: TomlTable = { runc: { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: false } } };

export interface CarryInput {
  set: ConfigSet;
  /** The file that gets the range of kata-sysext; undefined when the main file has yet to be made. */
  target: LoadedFile | undefined;
  merging: Merging;
  /** The text of that range as it is now, if it is intact. */
  previous: string | undefined;
  /** Names of wanted and of recorded handlers: never inherited. */
  ours: readonly string[];
}

/**
 * The daemon's own runtimes that the range has to repeat. containerd 1.x replaces the whole table `runtimes` by what the file names: a
 * file that names only kata loses the built-in runc and the CRI does not start (docs/facts/containerd.md#merging-of-plugin-tables).
 */
export async function carriedRuntimes(host: HostView, instance: Instance, input: CarryInput): Promise<TomlTable> {
  const { set, target, merging, previous, ours } = input;
  if (target && Object.keys(runtimesOf(target.doc.value)).length > 0) return {};
  if (previous !== undefined) return others(runtimesOf(parseDocument(previous, 'the range of kata-sysext').value), ours);
  if (merging === 'unites') return {};
  const elsewhere = set.files.find((file) => file !== target && Object.keys(runtimesOf(file.doc.value)).length > 0);
  if (merging === 'unknown' && elsewhere && target) {
    throw unsupported(
      target.path,
      `${elsewhere.path} names runtimes and ${target.path}, which is loaded later, names none: 1.x and 2.x read that differently, and the version is not known.`,
      'The version of containerd.',
      'Name it: --engine containerd@VERSION.',
    );
  }
  if (!host.booted) return documentedDefault;
  return others(runtimesOf(await effectiveConfig(host, instance)), ours);
}

function others(runtimes: TomlTable, ours: readonly string[]): TomlTable {
  return Object.fromEntries(Object.entries(runtimes).filter(([name]) => !ours.includes(name)));
}

/** The tables of the carried runtimes, each after an empty line. */
export function carriedLines(runtimes: TomlTable, plugin: string): string[] {
  return Object.entries(runtimes).flatMap(([name, table]) =>
    isTable(table) ? ['', ...renderTable([...runtimesPath(plugin), name], table)] : [],
  );
}
