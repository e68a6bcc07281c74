import { posix } from 'node:path';
import { type TomlDocument, tableAt, valueAt } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { foreignWiringIn } from '../common/foreignWiring.ts';
import { parseVersion } from '../common/version.ts';
import type { ForeignWiring, Instance } from '../types.ts';
import { loadSet } from './loader.ts';
import { newPlugin, oldPlugin, runtimesPath } from './schema.ts';

/** See `Engine.findForeignWiring`. */
export async function findForeignContainerd(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  const { files } = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  return foreignWiringIn(
    host,
    files.map(({ path, doc }) => ({ path, doc, tables: tablesLeadingTo(doc, shim), idle: { version: 0 } })),
  );
}

/** Key paths of the runtimes in this text whose shim is this one. */
export function tablesLeadingTo({ value }: TomlDocument, shim: HostPath): string[][] {
  return [oldPlugin, newPlugin].flatMap((plugin) => {
    const runtimes = Object.entries(tableAt(value, runtimesPath(plugin)));
    return runtimes.filter(([, runtime]) => leadsTo(runtime, shim)).map(([name]) => [...runtimesPath(plugin), name]);
  });
}

/** Without a path the shim is looked for by the type's name: io.containerd.kata.v2 is containerd-shim-kata-v2, in PATH. */
export function leadsTo(runtime: unknown, shim: HostPath): boolean {
  const [path, type] = [valueAt(runtime, ['runtime_path']), valueAt(runtime, ['runtime_type'])];
  if (typeof path === 'string' && path !== '') return path === shim;
  if (type === shim) return true;
  const [, name, version] = /^io\.containerd\.([\w-]+)\.(v\d+)$/.exec(typeof type === 'string' ? type : '') ?? [];
  return name !== undefined && `containerd-shim-${name}-${version}` === posix.basename(shim);
}
