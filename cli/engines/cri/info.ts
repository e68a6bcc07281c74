import type { EngineState } from '../types.ts';

/**
 * Handlers of the verbose Status: containerd (1.7 and 2.x) has `config.containerd.runtimes`, each with runtimePath and options; CRI-O has
 * `config.crio.Runtimes` (facts/cri.md §6). Text that is no JSON of that shape gives no handlers.
 */
export function handlersInInfo(info: Record<string, string>): EngineState['effective'] {
  const config = parse(info['config']);
  const containerd = at(config, ['containerd', 'runtimes']);
  const crio = at(config, ['crio', 'Runtimes']);
  const found: EngineState['effective'] = {};
  for (const [name, runtime] of [...entries(containerd), ...entries(crio)]) {
    const shim = text(at(runtime, ['runtimePath'])) ?? text(at(runtime, ['runtime_path']));
    const configuration = text(at(runtime, ['options', 'ConfigPath'])) ?? text(at(runtime, ['runtime_config_path']));
    found[name] = { ...(shim === undefined ? {} : { shim }), ...(configuration === undefined ? {} : { configuration }) };
  }
  return found;
}

function parse(json: string | undefined): unknown {
  try {
    return JSON.parse(json ?? '{}');
  } catch {
    return {};
  }
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

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
