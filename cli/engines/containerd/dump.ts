import { readDump, type TomlTable, tomlKey } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { binaryOf, refused, verdicts } from '../common/complaints.ts';
import { differences } from '../common/differences.ts';
import type { EffectiveDiff, Instance } from '../types.ts';
import { newPlugin, oldPlugin, runtimesPath } from './schema.ts';

const dumpTimeoutMs = 30_000;

export interface Dump {
  value: TomlTable;
  stderr: string;
}

/** The effective configuration of a file as the daemon's own binary prints it. Throws engine-config-invalid when it refuses the file. */
export async function dumpOf(host: HostView, binary: HostPath, config: HostPath): Promise<Dump> {
  return runDump(host, binary, config, ['-c', config, 'config', 'dump']);
}

/** The effective configuration from the real files. */
export async function effectiveConfig(host: HostView, instance: Instance): Promise<TomlTable> {
  const binary = binaryOf(instance);
  // `config dump` of 1.x fails when the main file is missing, while the daemon starts with its defaults
  // (docs/facts/containerd.md#what-config-dump-shows).
  if (!(await host.stat(instance.configPath))) return (await runDump(host, binary, instance.configPath, ['config', 'default'])).value;
  return (await dumpOf(host, binary, instance.configPath)).value;
}

async function runDump(host: HostView, binary: HostPath, config: HostPath, args: string[]): Promise<Dump> {
  const result = await host.run(binary, args, { timeoutMs: dumpTimeoutMs, accept: verdicts });
  if (result.code !== 0) throw refused(binary, config, args, result.stderr.trim().split('\n').at(-1) ?? '');
  return { value: readDump(result.stdout), stderr: result.stderr };
}

/** Key paths that differ between two dumps. `imports` is left out: 1.x lists the loaded files there, 2.x the patterns. */
export function compareDumps(before: TomlTable, after: TomlTable, handlers: readonly string[]): EffectiveDiff {
  const diff: EffectiveDiff = { ours: [], others: [], warnings: [] };
  const mine = [oldPlugin, newPlugin].flatMap((plugin) => handlers.map((name) => [...runtimesPath(plugin), name].map(tomlKey).join('.')));
  for (const path of differences(before, after, [])) {
    if (path === 'imports') continue;
    const belongs = mine.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
    (belongs ? diff.ours : diff.others).push(path);
  }
  return diff;
}
