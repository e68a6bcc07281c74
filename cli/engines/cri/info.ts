import { parseJson } from '../../documents/index.ts';
import type { EngineState } from '../types.ts';

/** containerd's key, and CRI-O's as 1.36.3 writes it: names of Go's fields, for it gives no others. */
const shimKeys = [['runtimePath'], ['RuntimePath'], ['runtime_path']];
const configurationKeys = [['options', 'ConfigPath'], ['RuntimeConfigPath'], ['runtime_config_path']];

/**
 * Handlers of the verbose Status: containerd (1.7 and 2.x) has `config.containerd.runtimes`, each with runtimePath and options; CRI-O has
 * `config.crio.Runtimes` (docs/facts/kubernetes.md#handlers-in-the-verbose-status). Text that is no JSON of that shape gives no handlers.
 */
export function handlersInInfo(info: Record<string, string>): EngineState['effective'] {
  const config = parse(info['config']);
  const containerd = at(config, ['containerd', 'runtimes']);
  const crio = at(config, ['crio', 'Runtimes']) ?? at(config, ['crio', 'runtimes']);
  const found: EngineState['effective'] = {};
  for (const [name, runtime] of [...entries(containerd), ...entries(crio)]) {
    const shim = first(runtime, shimKeys);
    const configuration = first(runtime, configurationKeys);
    found[name] = { ...(shim === undefined ? {} : { shim }), ...(configuration === undefined ? {} : { configuration }) };
  }
  return found;
}

function first(runtime: unknown, keys: string[][]): string | undefined {
  return keys.map((key) => text(at(runtime, key))).find((found) => found !== undefined);
}

export function parse(json: string | undefined): unknown {
  try {
    return parseJson(json ?? '{}');
  } catch {
    return {};
  }
}

export function at(value: unknown, path: readonly string[]): unknown {
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

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
