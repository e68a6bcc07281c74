import type { TomlTable } from '../../documents/toml/index.ts';
import { tableAt } from '../../documents/toml/index.ts';
import { atLeast, type Version } from '../common/version.ts';

/** The CRI plugin's id up to schema 2, and the one of its runtime half from schema 3 on. */
export const oldPlugin = 'io.containerd.grpc.v1.cri';
export const newPlugin = 'io.containerd.cri.v1.runtime';

/** What schema 3 has of the old plugin under ids of its own. */
export const newPlugins = [newPlugin, 'io.containerd.cri.v1.images'];

/** The plugin that holds the runtime tables in a file of this schema. */
export function pluginOf(schema: number): string {
  return schema >= 3 ? newPlugin : oldPlugin;
}

/** `plugins.ID.containerd.runtimes` */
export function runtimesPath(plugin: string): string[] {
  return ['plugins', plugin, 'containerd', 'runtimes'];
}

/** The runtimes that a file or a dump names, under either id. */
export function runtimesOf(value: TomlTable): TomlTable {
  return { ...tableAt(value, runtimesPath(oldPlugin)), ...tableAt(value, runtimesPath(newPlugin)) };
}

const topKeys = ['version', 'imports', 'disabled_plugins', 'plugins'];
const pluginKeys = ['containerd', 'enable_selinux'];
const criKeys = ['runtimes', 'default_runtime_name'];

/** The path of the first key that has one of these names in another case: 2.x takes keys of structures in any, 1.x does not (tried with 1.6.20, 2.4.2). */
export function oddCase(value: TomlTable): string[] | undefined {
  const plugins = [oldPlugin, newPlugin].map((id) => ['plugins', id]);
  const places = [
    { at: [], keys: topKeys },
    ...plugins.map((at) => ({ at, keys: pluginKeys })),
    ...plugins.map((at) => ({ at: [...at, 'containerd'], keys: criKeys })),
  ];
  for (const { at, keys } of places) {
    const odd = Object.keys(tableAt(value, at)).find((key) => !keys.includes(key) && keys.includes(key.toLowerCase()));
    if (odd !== undefined) return [...at, odd];
  }
  return undefined;
}

/** What a file of 2.x says with its keys in the case that this program looks for. */
export function inUsualCase(value: TomlTable): TomlTable {
  const odd = oddCase(value);
  if (odd === undefined) return value;
  const [name, path] = [odd.at(-1)!, odd.slice(0, -1)];
  const rename = (table: TomlTable): TomlTable =>
    Object.fromEntries(Object.entries(table).map(([key, each]) => [key === name ? key.toLowerCase() : key, each]));
  return inUsualCase(changedAt(value, path, rename));
}

function changedAt(value: TomlTable, [key, ...rest]: readonly string[], change: (table: TomlTable) => TomlTable): TomlTable {
  if (key === undefined) return change(value);
  return { ...value, [key]: changedAt(tableAt(value, [key]), rest, change) };
}

/** The highest schema that a daemon accepts (docs/facts/containerd.md#configuration-schemas). */
export function highestSchema(version: Version): number {
  if (!atLeast(version, 2, 0)) return 2;
  return atLeast(version, 2, 3) ? 4 : 3;
}

/**
 * How imported files meet the main one: 1.x replaces a plugin's table whole, 2.x unites the tables. A schema of 3 or more is only read by
 * 2.x; with schema 2 and no known version the edit must be right on both.
 */
export type Merging = 'replaces' | 'unites' | 'unknown';

export function mergingOf(version: Version | undefined, schema: number | undefined): Merging {
  if (version) return atLeast(version, 2, 0) ? 'unites' : 'replaces';
  return schema !== undefined && schema >= 3 ? 'unites' : 'unknown';
}
