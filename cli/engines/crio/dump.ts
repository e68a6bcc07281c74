import { posix } from 'node:path';
import { isTable, readDump, type TomlTable, tableAt, tomlKey, valueAt } from '../../documents/toml/index.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { binaryOf, refused, verdicts } from '../common/complaints.ts';
import { differences } from '../common/differences.ts';
import type { EffectiveDiff, Instance } from '../types.ts';
import { noConfig } from './daemon.ts';
import { runtimesPath, shimName } from './handlers.ts';
import { folderOf } from './loader.ts';

const dumpTimeoutMs = 30_000;

/**
 * `crio config` prints defaults as comments, and the table of all handlers as one: while crun is the only handler, the output has no table, and
 * crun would seem to be added with the Kata handler. So every dump adds a handler of this name by a flag, and drops it from the result.
 */
const shown = 'kata-sysext-shown';

/** The key that kata-sysext adds to a handler's table in the dump when the daemon would drop the handler; its value is the reason. */
const ignored = 'ignored by CRI-O';

/**
 * The effective configuration from the real files: what `crio config` prints, and what it does not check itself: a handler whose files are
 * not there is dropped by the daemon at its start, with a warning in the log only (docs/facts/crio.md#checks-of-a-handler).
 */
export async function effectiveConfig(host: HostView, instance: Instance): Promise<TomlTable> {
  const value = await dumpReal(host, instance);
  for (const runtime of Object.values(tableAt(value, runtimesPath))) {
    const why = isTable(runtime) ? await whyIgnored(host, runtime) : undefined;
    if (why !== undefined && isTable(runtime)) runtime[ignored] = why;
  }
  return value;
}

export async function dumpReal(host: HostView, instance: Instance): Promise<TomlTable> {
  const main = instance.configPath === noConfig || !(await host.stat(instance.configPath)) ? '' : instance.configPath;
  return dumpOf(host, instance, main, folderOf(instance));
}

/** What the daemon's own binary makes of a main file ('': none) and a folder. Throws engine-config-invalid when it refuses them. */
export async function dumpOf(host: HostView, instance: Instance, main: HostPath | '', folder: HostPath): Promise<TomlTable> {
  const binary = binaryOf(instance);
  const args = ['--config', main, '--config-dir', folder, 'config'];
  const result = await host.run(binary, ['--runtimes', `${shown}:/dev/null:/run`, ...args], { timeoutMs: dumpTimeoutMs, accept: verdicts });
  if (result.code !== 0) throw refused(binary, main || folder, args, lastMessage(result.stderr));
  try {
    const value = readDump(result.stdout);
    delete tableAt(value, runtimesPath)[shown];
    return value;
  } catch (cause) {
    // Its template writes names and texts as they are: a quote in one of them makes the whole output no TOML.
    throw new KataError('engine-config-invalid', {
      subject: main || folder,
      found: `what ${binary} prints of ${main || folder} cannot be read: ${(cause as Error).message.split('\n')[0]}`,
      needed: 'names and texts without quotes in them',
      next: `look at it: ${[binary, '--config', main, '--config-dir', folder, 'config'].map(commandWord).join(' ')}`,
      cause,
    });
  }
}

/** Key paths that differ between two dumps, and a warning for each of the handlers that the daemon would drop. */
export function compareDumps(before: TomlTable, after: TomlTable, handlers: readonly string[]): EffectiveDiff {
  const diff: EffectiveDiff = { ours: [], others: [], warnings: [] };
  const mine = handlers.map((name) => [...runtimesPath, name].map(tomlKey).join('.'));
  for (const path of differences(before, after, [])) {
    const belongs = mine.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
    (belongs ? diff.ours : diff.others).push(path);
  }
  for (const name of handlers) {
    const why = valueAt(after, [...runtimesPath, name, ignored]);
    if (typeof why === 'string') diff.warnings.push(`CRI-O would ignore ${name}: ${why}`);
  }
  return diff;
}

/** The four checks of the daemon's start that `crio config` leaves out. */
async function whyIgnored(host: HostView, runtime: TomlTable): Promise<string | undefined> {
  const [type, path, config] = ['runtime_type', 'runtime_path', 'runtime_config_path'].map((key) => text(runtime[key]));
  if (!['', 'oci', 'vm', 'pod'].includes(type!)) return `the type ${type} is not known`;
  // Without a path it is looked for by name, in the PATH of the daemon.
  if (path !== '' && !(await host.stat(path!))) return `${path} is not there`;
  if (type === 'vm' && !shimName.test(posix.basename(path!))) return `${path} is not named like a shim`;
  if (config !== '' && type !== 'vm') return 'runtime_config_path is for handlers of type vm only';
  return config !== '' && !(await host.stat(config!)) ? `${config} is not there` : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** logrus writes `time="…" level=fatal msg="…"`; the message may hold escaped quotes. */
function lastMessage(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  return /msg="(?<message>(?:[^"\\]|\\.)*)"/.exec(line)?.groups?.['message']?.replace(/\\(.)/g, '$1') ?? line;
}
