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
