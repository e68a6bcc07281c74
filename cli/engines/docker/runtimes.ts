import { posix } from 'node:path';
import { parseJson, placeAt } from '../../documents/index.ts';
import { type JsonNode, readJsonText, sameJson } from '../../documents/jsonFile/index.ts';
import type { HostPath } from '../../host/types.ts';
import type { WantedHandler } from '../types.ts';

/** The key of daemon.json that has the handlers. */
export const runtimesKey = 'runtimes';

export type Table = Record<string, unknown>;

/** What the handler's key says. The shim's absolute path is its type: Docker takes that in the file, not as a value of `--runtime`. */
export function runtimeOf({ shim, configuration }: WantedHandler): Table {
  return { runtimeType: shim, options: { ConfigPath: configuration } };
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object of handlers in a file; undefined where it has none. */
export function runtimesIn(root: JsonNode | undefined): JsonNode | undefined {
  return root?.members?.find(({ key }) => key === runtimesKey)?.value;
}

/** Where the value below these keys begins in the text; undefined where it is not there. */
export function placeOfKeys(root: JsonNode | undefined, text: string, keys: readonly string[]): string | undefined {
  const node = keys.reduce((at, key) => at?.members?.find((member) => member.key === key)?.value, root);
  return node === undefined ? undefined : placeAt(text, node.start);
}

/** Handlers of a file, by name. */
export function tableOf(root: JsonNode | undefined): Table {
  const { value } = runtimesIn(root) ?? {};
  return isTable(value) ? value : {};
}

/** Go takes the keys of a handler in any case. */
export function field(runtime: unknown, name: string): unknown {
  if (!isTable(runtime)) return undefined;
  const key = Object.keys(runtime).find((each) => each.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : runtime[key];
}

/** True when it says exactly what kata-sysext would write. */
export function isSame(runtime: unknown, handler: WantedHandler): boolean {
  return sameJson(runtime, runtimeOf(handler));
}

/** True when it names the handler's shim and configuration, whatever else it says. */
export function leadsToOurs(runtime: unknown, { shim, configuration }: WantedHandler): boolean {
  return field(runtime, 'runtimeType') === shim && field(field(runtime, 'options'), 'ConfigPath') === configuration;
}

/** Without a path the shim is looked for by the type's name: io.containerd.kata.v2 is containerd-shim-kata-v2, in containerd's PATH. */
export function leadsTo(runtime: unknown, shim: HostPath): boolean {
  const type = field(runtime, 'runtimeType');
  if (type === shim) return true;
  const [, name, version] = /^io\.containerd\.([\w-]+)\.(v\d+)$/.exec(typeof type === 'string' ? type : '') ?? [];
  return name !== undefined && `containerd-shim-${name}-${version}` === posix.basename(shim);
}

/** What a recorded text of kata-sysext says: handlers by name, and whether the text brought the key of handlers as well. */
export function saidBy(text: string): { handlers: Table; brought: boolean } {
  for (const candidate of [text, `{${text.replace(/^[ \t\r\n]*,|,[ \t\r\n]*$/g, '')}}`]) {
    try {
      readJsonText(candidate, '');
      const value = parseJson(candidate.replace(/^\ufeff/, ''));
      const inner = isTable(value) ? value[runtimesKey] : undefined;
      const brought = isTable(inner) && field(inner, 'runtimeType') === undefined;
      return { handlers: brought ? inner : isTable(value) ? value : {}, brought };
    } catch {}
  }
  return { handlers: {}, brought: false };
}
