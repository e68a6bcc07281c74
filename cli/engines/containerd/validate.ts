import { posix } from 'node:path';
import { parseDocument, type TomlTable, tomlString, topLevelValue, valueAt, withValue } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { binaryOf, rejected } from '../common/complaints.ts';
import { filesView } from '../common/filesView.ts';
import { parseVersion } from '../common/version.ts';
import type { Scratch } from '../contract.ts';
import type { EffectiveDiff, Instance, WiringPlan } from '../types.ts';
import { compareDumps, type Dump, dumpOf, effectiveConfig } from './dump.ts';
import { isHandler, leadsToOurs } from './handlers.ts';
import { type ConfigSet, type LoadedFile, loadSet } from './loader.ts';
import { runtimesOf } from './schema.ts';

/** See `Engine.validate`: the binary judges copies of all files as they would be, beside what it says of the real ones. */
export async function validateContainerd(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff> {
  const before = await effectiveConfig(host, instance);
  const after = await plannedDump(host, instance, plan, scratch);
  const handlers = [...(plan.wiring?.handlers ?? []).map((handler) => handler.name), ...formerHandlers(plan)];
  const diff = compareDumps(before, after.value, handlers);
  requireHandlers(after.value, instance, plan);
  // 2.x only warns about keys that it does not know (docs/facts/containerd.md#what-config-dump-shows). A warning about a handler's table
  // means that its text is wrong.
  diff.warnings = after.stderr.split('\n').filter((line) => handlers.some((name) => line.includes(name)));
  return diff;
}

/** Files of several schemas may take a handler away, and nothing else says so: the daemon starts without it. */
function requireHandlers(after: TomlTable, { configPath, version = '' }: Instance, { wiring }: WiringPlan): void {
  const runtimes = runtimesOf(after);
  const lost = wiring?.handlers.find((handler) => !leadsToOurs(valueAt(runtimes, [handler.name]), handler));
  if (lost === undefined) return;
  throw new KataError('engine-config-mixed', {
    subject: configPath,
    found: `containerd ${version} reads the files as they would be without the handler ${lost.name}.`,
    needed: 'Files of one schema: with several, containerd may leave tables out without a word.',
    next: 'Give every file the version of the main file, and the plugin names of that version.',
  });
}

/** See `Engine.renderPlanned`; also returns the binary's stderr. */
export async function plannedDump(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<Dump> {
  const overlay = new Map(plan.changes.map((change) => [change.path, change.after === 'absent' ? ('absent' as const) : change.after.text]));
  const set = await loadSet(filesView(host, overlay), plan.reads ?? instance.configPath, parseVersion(instance.version));
  if (set.files.length === 0) return { value: await effectiveWithout(host, instance), stderr: '' };
  const candidate = await writeCandidate(set, scratch);
  return dumpOf(host, binaryOf(instance), candidate).catch((error: unknown) => {
    throw rejected(instance, error);
  });
}

/** Handlers in texts of kata-sysext that the plan replaces or removes. Inherited runtimes of the daemon do not count: they must not change. */
function formerHandlers(plan: WiringPlan): string[] {
  return plan.changes.flatMap(({ path, ours }) =>
    ours.flatMap((text) => {
      const runtimes = runtimesOf(parseOurs(text, path));
      return Object.keys(runtimes).filter((name) => isHandler(valueAt(runtimes, [name]), name));
    }),
  );
}

/** An element of the imports list is no document, and holds no handler. */
function parseOurs(text: string, path: HostPath): TomlTable {
  try {
    return parseDocument(text, path).value;
  } catch {
    return {};
  }
}

/** The plan takes away the whole main file: the daemon goes back to its defaults. */
async function effectiveWithout(host: HostView, instance: Instance) {
  return effectiveConfig(host, { ...instance, configPath: posix.join(posix.dirname(instance.configPath), '.kata-sysext-absent.toml') });
}

/**
 * Copies of all loaded files. The main copy imports the others literally, in the order in which they are loaded, and those import nothing:
 * so neither relative imports nor a file that imports the real main file lead out of the copies.
 */
async function writeCandidate(set: ConfigSet, scratch: Scratch): Promise<HostPath> {
  const [main, ...others] = set.files;
  const copies: HostPath[] = [];
  for (const [index, file] of others.entries()) copies.push(await scratch(`import-${index}.toml`, withImports(file, [])));
  return scratch('main.toml', withImports(main!, copies));
}

function withImports(file: LoadedFile, imports: readonly string[]): string {
  const node = topLevelValue(file.doc, 'imports');
  return node ? withValue(file.doc, node, `[${imports.map(tomlString).join(', ')}]`) : file.doc.text;
}
