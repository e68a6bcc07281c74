import { posix } from 'node:path';
import { tableAt, valueAt } from '../../documents/toml/index.ts';
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
  const found = files.map(({ real, doc }) => {
    const tables = [oldPlugin, newPlugin].flatMap((plugin) => {
      const runtimes = Object.entries(tableAt(doc.value, runtimesPath(plugin)));
      return runtimes.filter(([, runtime]) => leadsTo(runtime, shim)).map(([name]) => [...runtimesPath(plugin), name]);
    });
    return { path: real, doc, tables, idle: { version: 0 } };
  });
  return foreignWiringIn(host, found);
}

/** Without a path the shim is looked for by the type's name: io.containerd.kata.v2 is containerd-shim-kata-v2, in PATH. */
export function leadsTo(runtime: unknown, shim: HostPath): boolean {
  const [path, type] = [valueAt(runtime, ['runtime_path']), valueAt(runtime, ['runtime_type'])];
  if (typeof path === 'string' && path !== '') return path === shim;
  if (type === shim) return true;
  const [, name, version] = /^io\.containerd\.([\w-]+)\.(v\d+)$/.exec(typeof type === 'string' ? type : '') ?? [];
  return name !== undefined && `containerd-shim-${name}-${version}` === posix.basename(shim);
}
