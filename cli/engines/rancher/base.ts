import type { HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { atLeast, parseVersion, type Version } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { pluginOf, runtimesPath } from './containerd.ts';
import { settingOf, startOf } from './start.ts';
import type { Distribution, Schema } from './types.ts';

/** A table of the configuration that the program has without a template. TOML allows each once. */
export interface BaseTable {
  path: readonly string[];
  schema: Schema;
  /** False: it depends on what only a start shows. */
  isCertain: boolean;
}

type Presence = 'yes' | 'no' | 'perhaps';

interface Node {
  /** Of the containerd; undefined: not known. */
  isNew: boolean | undefined;
  flannel: Presence;
  /** --default-runtime */
  defaultHandler: Presence;
}

interface Row {
  schema: Schema;
  tables: readonly (readonly string[])[];
  /** Default: on every node. */
  when?: (node: Node) => Presence;
}

const [old, runtime, images] = [pluginOf(2), pluginOf(3), 'io.containerd.cri.v1.images'];

/** The program writes a table for each that it finds: those of NVIDIA, crun, and Wasm shims (k3s: pkg/agent/containerd/runtimes.go). */
const foundRuntimes = [
  ...['nvidia', 'nvidia-cdi', 'nvidia-experimental', 'crun'],
  ...['lunatic', 'slight', 'spin', 'wws', 'wasmedge', 'wasmer', 'wasmtime'],
];

/** docs/facts/rancher.md#templates. Left out are tables of registries.yaml, which are named after registries. */
const rows: readonly Row[] = [
  ...([2, 3] as const).map((schema) => ({
    schema,
    tables: [
      ['plugins', 'io.containerd.internal.v1.opt'],
      ['plugins', old],
      [...runtimesPath(pluginOf(schema)), 'runc'],
      [...runtimesPath(pluginOf(schema)), 'runc', 'options'],
    ],
  })),
  ...([2, 3] as const).map((schema) => ({
    schema,
    tables: foundRuntimes.map((name) => [...runtimesPath(pluginOf(schema)), name]),
    when: () => 'perhaps' as const,
  })),
  { schema: 2, tables: [['plugins', old, 'containerd']] },
  {
    schema: 2,
    tables: [['grpc'], [...runtimesPath(old), 'runhcs-wcow-process']],
    when: ({ isNew }) => (isNew === undefined ? 'perhaps' : isNew ? 'yes' : 'no'),
  },
  // Releases of 2023 have only the tables of registries.yaml.
  { schema: 2, tables: [['plugins', old, 'registry']], when: ({ isNew }) => (isNew === true ? 'yes' : 'perhaps') },
  { schema: 2, tables: [['plugins', old, 'cni']], when: ({ flannel }) => flannel },
  {
    schema: 3,
    tables: [
      ['grpc'],
      ['plugins', runtime],
      ['plugins', images],
      ['plugins', images, 'pinned_images'],
      ['plugins', images, 'registry'],
      [...runtimesPath(runtime), 'runhcs-wcow-process'],
    ],
  },
  { schema: 3, tables: [['plugins', runtime, 'cni']], when: ({ flannel }) => flannel },
  { schema: 3, tables: [['plugins', runtime, 'containerd']], when: ({ defaultHandler }) => defaultHandler },
];

/** Of both schemas, as the files of the node tell them before a start. */
export async function readBaseTables(host: HostView, of: Distribution, instance: Instance): Promise<BaseTable[]> {
  const start = await startOf(host, of, instance.unit ?? of.facts.units[0]!);
  const setting = (name: string) => settingOf(filesView(host), start, [name]);
  const node: Node = {
    isNew: isNew(parseVersion(instance.version)),
    // An agent gets the setting from its server.
    flannel: !of.hasFlannel || (await setting('flannel-backend')) === 'none' ? 'no' : start.args.includes('server') ? 'yes' : 'perhaps',
    defaultHandler: (await setting('default-runtime')) === undefined ? 'no' : 'yes',
  };
  return rows.flatMap(({ schema, tables, when = () => 'yes' }) => {
    const presence = when(node);
    return presence === 'no' ? [] : tables.map((path) => ({ path, schema, isCertain: presence === 'yes' }));
  });
}

/** containerd 2 reads both schemas, 1 reads schema 2 alone. */
export function isNew(version: Version | undefined): boolean | undefined {
  return version === undefined ? undefined : atLeast(version, 2, 0);
}
