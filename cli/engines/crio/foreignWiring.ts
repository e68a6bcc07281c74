import { valueAt } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { foreignWiringIn } from '../common/foreignWiring.ts';
import type { ForeignWiring, Instance } from '../types.ts';
import { runtimesOf, runtimesPath } from './handlers.ts';
import { loadSet } from './loader.ts';

/** See `Engine.findForeignWiring`. */
export async function findForeignCrio(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  const { files } = await loadSet(host, instance);
  const found = files.map(({ path, doc }) => {
    const names = runtimesOf(doc.value).filter(([, runtime]) => valueAt(runtime, ['runtime_path']) === shim);
    return { path, doc, tables: names.map(([name]) => [...runtimesPath, name]), idle: {} };
  });
  return foreignWiringIn(host, found);
}
