import type { HostPath, HostView } from '../../host/types.ts';
import { ledBy } from '../common/foreignWiring.ts';
import { valueAt } from '../toml/index.ts';
import type { Instance, Led } from '../types.ts';
import { runtimesOf, runtimesPath } from './handlers.ts';
import { loadSet } from './loader.ts';

/** See `Engine.led`. */
export async function ledCrio(host: HostView, instance: Instance, shim: HostPath): Promise<Led> {
  const { files } = await loadSet(host, instance);
  const found = files.map(({ path, doc }) => {
    const names = runtimesOf(doc.value).filter(([, runtime]) => valueAt(runtime, ['runtime_path']) === shim);
    return { path, doc, tables: names.map(([name]) => [...runtimesPath, name]), idle: {} };
  });
  return ledBy(host, found);
}
