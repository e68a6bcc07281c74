import { parseJson } from '../documents/index.ts';

/** Handler to the shim and configuration that the daemon will really use. */
export type EffectiveHandlers = Record<string, { shim?: string | undefined; configuration?: string | undefined }>;

/** Key paths below a runtime, the first that has a text counts. */
export interface RuntimeKeys {
  shim: readonly string[][];
  configuration: readonly string[][];
}

/** The configuration in the `info` of the verbose Status, where engines show it as JSON; text that is none gives nothing. */
export function infoOf({ config }: { config?: string }): unknown {
  try {
    return config === undefined ? {} : parseJson(config);
  } catch {
    return {};
  }
}

/** The runtimes at the first of these places that is there, by the keys that the engine has for them. Another shape gives no handlers. */
export function runtimesIn(config: unknown, places: readonly string[][], keys: RuntimeKeys): EffectiveHandlers {
  const runtimes = places.map((place) => at(config, place)).find((found) => found !== undefined);
  const found: EffectiveHandlers = {};
  for (const [name, runtime] of entries(runtimes)) {
    const [shim, configuration] = [textIn(runtime, keys.shim), textIn(runtime, keys.configuration)];
    found[name] = { shim, configuration };
  }
  return found;
}

/** The first of these places that holds a text. */
export function textIn(value: unknown, places: readonly string[][]): string | undefined {
  return places.map((place) => at(value, place)).find((found): found is string => typeof found === 'string' && found !== '');
}

function at(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
