import { asset } from '../../assets/index.ts';
import { fillTemplate, isTable, sameSettings, type TomlTable, tomlKey, tomlString, valueAt } from '../../documents/toml/index.ts';
import type { Version } from '../common/version.ts';
import type { WantedHandler } from '../types.ts';
import type { ConfigSet, LoadedFile } from './loader.ts';
import { newPlugin, oldPlugin, runtimesPath } from './schema.ts';

const annotations = ['io.katacontainers.*'];

/**
 * `io.containerd.<handler>.v2`. It must contain 'io.containerd.kata': by this text alone containerd knows a runtime of virtual machines
 * and gives its processes the SELinux type for them (docs/facts/containerd.md#selinux-type-of-virtual-machines); runtime_path is not
 * looked at.
 */
function runtimeType(name: string): string {
  return `io.containerd.${name.startsWith('kata') ? name : `kata-${name}`}.v2`;
}

/**
 * 1.6.0 to 1.6.20 and 1.7.0 take runtime_path into their configuration and never use it (containerd#8207): every pod fails, for there is
 * no shim of the type's name in PATH. They do take a path for a type. Of a 1.6 whose patch level is not known the older one is assumed.
 */
export function shimIsType(version: Version | undefined): boolean {
  if (version?.major !== 1) return false;
  return version.minor === 6 ? (version.patch ?? 0) < 21 : version.minor === 7 && version.patch === 0;
}

/** What the handler's table says, as data: the text of the template is judged by it. */
export function handlerTable(handler: WantedHandler, version?: Version): TomlTable {
  return {
    runtime_type: typeFor(handler, version),
    runtime_path: handler.shim,
    privileged_without_host_devices: true,
    pod_annotations: annotations,
    container_annotations: annotations,
    options: { ConfigPath: handler.configuration },
  };
}

function typeFor(handler: WantedHandler, version: Version | undefined): string {
  return shimIsType(version) ? handler.shim : runtimeType(handler.name);
}

/** Whether a runtime in the text of kata-sysext is a Kata handler, not an inherited runtime of the daemon. */
export function isHandler(runtime: unknown, name: string): boolean {
  const type = valueAt(runtime, ['runtime_type']);
  return type === runtimeType(name) || (type !== undefined && type === valueAt(runtime, ['runtime_path']));
}

/** `{plugins: {ID: {containerd: {runtimes}}}}` */
export function pluginTable(plugin: string, runtimes: TomlTable): TomlTable {
  return runtimesPath(plugin).reduceRight<TomlTable>((inner, key) => ({ [key]: inner }), runtimes);
}

/** The lines of the handler's tables, from the template. */
export function handlerLines(handler: WantedHandler, plugin: string, version?: Version): string[] {
  const text = fillTemplate(asset('cli/engines/containerd/handler.toml'), {
    plugin: tomlString(plugin),
    handler: tomlKey(handler.name),
    runtimeType: tomlString(typeFor(handler, version)),
    shim: tomlString(handler.shim),
    configuration: tomlString(handler.configuration),
  });
  return text.trimEnd().split('\n');
}

/** Where a handler of this name is defined: under either plugin id, in every loaded file. */
export function definitionsOf(set: ConfigSet, name: string): { file: LoadedFile; value: unknown }[] {
  return set.files.flatMap((file) =>
    [oldPlugin, newPlugin].flatMap((plugin) => {
      const value = valueAt(file.doc.value, [...runtimesPath(plugin), name]);
      return value === undefined ? [] : [{ file, value }];
    }),
  );
}

/** True when a definition says exactly what kata-sysext would write. */
export function isSame(value: unknown, handler: WantedHandler, version?: Version): boolean {
  return isTable(value) && sameSettings(value, handlerTable(handler, version));
}

/** True when a definition names the handler's shim and configuration, whatever its other settings are. */
export function leadsToOurs(value: unknown, handler: WantedHandler): boolean {
  return valueAt(value, ['runtime_path']) === handler.shim && valueAt(value, ['options', 'ConfigPath']) === handler.configuration;
}
