import { parseJson } from '../../documents/json.ts';
import { parseDocument, subtract, type TomlTable, valueAt } from '../../documents/toml/index.ts';
import { readSmall } from '../../facts/smallFile.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { type FilesView, filesView } from '../common/filesView.ts';
import { unsupported } from '../common/unsupported.ts';
import { leadsToOurs, pluginTable } from '../containerd/handlers.ts';
import { newPlugin, oldPlugin, runtimesPath } from '../containerd/schema.ts';
import type { WantedHandler } from '../types.ts';
import { cache, folder, wiringFile } from './facts.ts';
import { invalid, readNodeConfig } from './nodeConfig.ts';

/** What another program or user tells nodeadm of containerd. */
export interface Source {
  path: HostPath;
  /** As TOML; empty where it says nothing. */
  config: string;
  value: TomlTable;
  alone: boolean;
  placeholder?: string | undefined;
}

/** What nodeadm reads beside the file of kata-sysext. */
export interface Sources {
  folder: Source[];
  /** What nodeadm made of all sources in this boot, without the handlers of kata-sysext; undefined where that is not known. */
  user: (Source & { hadOurs: boolean }) | undefined;
}

/** More files than any node has there. */
const maxFiles = 256;

/** Throws engine-config-invalid for a file that keeps nodeadm from starting the node. */
export async function readSources(host: HostView, view: FilesView, ours: readonly WantedHandler[]): Promise<Sources> {
  const found: Source[] = [];
  const own = await host.realpath(wiringFile);
  const names = (await view.list(folder)).filter((name) => /\.(?:ya?ml|json)$/i.test(name));
  if (names.length > maxFiles)
    throw unsupported(
      folder,
      `${folder} has ${names.length} files.`,
      `At most ${maxFiles} NodeConfigs.`,
      'Write some of them into one file.',
    );
  for (const name of names) {
    const path = `${folder}/${name}`;
    if ((await host.lstat(path))?.kind === 'directory' || path === wiringFile) continue;
    const file = await view.read(path);
    if (file === undefined) throw invalid(path, 'it is a link to no file');
    if (file.real !== own) found.push({ path, ...(await readNodeConfig(file.text, path)) });
  }
  return { folder: found, user: await readCache(host, ours) };
}

/** See `Engine.readSettings`. The folder wins over the user data. */
export async function readSettingsOfNodeadm(host: HostView): Promise<TomlTable[]> {
  const { folder: files, user } = await readSources(host, filesView(host), []);
  return [...(user === undefined ? [] : [user]), ...files].map(({ value }) => value);
}

/** nodeadm writes it as JSON. It may hold the handlers of kata-sysext, from an earlier render: those do not count. */
async function readCache(host: HostView, ours: readonly WantedHandler[]): Promise<Sources['user']> {
  if (!host.booted) return undefined;
  const read = await readSmall(host, cache);
  if (read.kind !== 'text') return undefined;
  try {
    const config = valueAt(parseJson(read.text, { maxBytes: 1 << 20 }), ['spec', 'containerd', 'config']) ?? '';
    if (typeof config !== 'string') return undefined;
    const { value, hadOurs } = withoutOurs(parseDocument(config, cache).value, ours);
    return { path: cache, config, value, alone: false, hadOurs };
  } catch {
    return undefined;
  }
}

function withoutOurs(all: TomlTable, ours: readonly WantedHandler[]): { value: TomlTable; hadOurs: boolean } {
  let value = all;
  for (const handler of ours) {
    for (const plugin of [oldPlugin, newPlugin]) {
      if (!leadsToOurs(valueAt(value, [...runtimesPath(plugin), handler.name]), handler)) continue;
      value = withoutEmptyParents(subtract(value, pluginTable(plugin, { [handler.name]: 'gone' }), false), runtimesPath(plugin));
    }
  }
  return { value, hadOurs: value !== all };
}

/** nodeadm made these tables for the handler, or they say nothing without it. */
function withoutEmptyParents(value: TomlTable, path: readonly string[]): TomlTable {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const { [key]: inner, ...others } = value;
  const left = withoutEmptyParents(inner as TomlTable, rest);
  return Object.keys(left).length === 0 ? others : { ...others, [key]: left };
}
