import { isTable, plain, readDump, renderTable, type TomlTable, tableAt, tomlString } from '../../documents/toml/index.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { binaryOf, isRefused, refused, rejected, verdicts } from '../common/complaints.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { parseVersion, versionOf } from '../common/version.ts';
import { compareDumps, type Dump, dumpOf, effectiveConfig } from '../containerd/dump.ts';
import { oldPlugin, runtimesPath } from '../containerd/schema.ts';
import { plannedDump, validateContainerd } from '../containerd/validate.ts';
import type { Scratch } from '../contract.ts';
import type { EffectiveDiff, Instance, WiringPlan } from '../types.ts';
import { facts, renderedCri } from './facts.ts';
import { type DropIn, isMerged, readDropIns } from './folder.ts';
import { handlersIn } from './plan.ts';
import { chosenFile } from './texts.ts';
import { schemaOf } from './version.ts';

const timeoutMs = 30_000;

/** See `Engine.validate`: its containerd reads copies as k0s would write them, without the change and with it. */
export async function validateK0s(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff> {
  // Only files of kata-sysext go, and a k0s that has not unpacked its containerd cannot be asked.
  if (plan.wiring === undefined && (await whyUnknown(host, instance)) !== undefined) return { ours: [], others: [], warnings: [] };
  await requireKnown(host, instance);
  if (schemaOf(instance.version) === 3) return validateContainerd(host, instance, plan, scratch);
  const before = await judged(host, instance, new Map(), scratch, 'now');
  const after = await judged(host, instance, overlayOf(plan), scratch, 'planned').catch((error: unknown) => {
    throw rejected(instance, error);
  });
  const former = plan.changes.flatMap(({ ours }) => ours.flatMap(handlersIn));
  const handlers = [...new Set([...(plan.wiring?.handlers ?? []).map(({ name }) => name), ...former])];
  const warnings = after.stderr.split('\n').filter((line) => handlers.some((name) => line.includes(name)));
  return { ...compareDumps(before.value, after.value, handlers), warnings };
}

/** See `Engine.renderPlanned`. */
export async function renderPlannedK0s(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<TomlTable> {
  await requireKnown(host, instance);
  if (schemaOf(instance.version) === 3) return (await plannedDump(host, instance, plan, scratch)).value;
  const overlay = overlayOf(plan);
  await judged(host, instance, overlay, scratch, 'planned').catch((error: unknown) => {
    throw rejected(instance, error);
  });
  return (await merged(host, instance, overlay)).value;
}

/** See `Engine.dumpEffective`. Up to 1.35 it is what k0s makes of the files as they are, also before it has done so. */
export async function dumpEffectiveK0s(host: HostView, instance: Instance): Promise<TomlTable> {
  await requireKnown(host, instance);
  if (schemaOf(instance.version) === 3) return effectiveConfig(host, instance);
  return (await merged(host, instance, new Map())).value;
}

function overlayOf({ changes }: WiringPlan): Overlay {
  return new Map(changes.map(({ path, after }) => [path, after === 'absent' ? after : after.text]));
}

async function requireKnown(host: HostView, instance: Instance): Promise<void> {
  const found = await whyUnknown(host, instance);
  if (found === undefined) return;
  throw new KataError('host-unknown', {
    subject: instance.binary ?? instance.engine,
    found,
    needed: 'the containerd of this k0s, to ask it for its effective configuration',
    next: 'k0s start, then try again',
  });
}

/** k0s unpacks its containerd when it starts: after an update the one of the version before may still be there. */
async function whyUnknown(host: HostView, instance: Instance): Promise<string | undefined> {
  const { binary, version } = instance;
  if (binary === undefined || (await host.stat(binary)) === undefined)
    return `k0s has not unpacked its containerd (${binary ?? 'nowhere'})`;
  const own = parseVersion(await versionOf(host, binary));
  if (version === undefined || own === undefined) return `the version of ${version === undefined ? 'k0s' : binary} is not known`;
  if (own.major >= 2 === (schemaOf(version) === 3)) return undefined;
  return `k0s ${version} has not unpacked its containerd yet: ${binary} is ${own.major}.${own.minor}, of another version of k0s`;
}

/** What the daemon's own binary makes of copies as k0s up to 1.35 writes them. A refusal names the files of the host in place of the copies. */
async function judged(host: HostView, instance: Instance, overlay: Overlay, scratch: Scratch, name: string): Promise<Dump> {
  const { value, imports, paths } = await merged(host, instance, overlay);
  const names = new Map<HostPath, string>();
  for (const [index, { path, doc }] of imports.entries()) names.set(await scratch(`${name}-import-${index}.toml`, doc.text), path);
  names.set(await scratch(`${name}-cri.toml`, textOf(value)), 'the tables of the CRI');
  const copies = [...names.keys()];
  const main = await scratch(`${name}.toml`, `imports = [${copies.map(tomlString).join(', ')}]\nversion = 2\n`);
  names.set(main, `what k0s makes of ${paths.length === 0 ? renderedCri : paths.join(', ')}`);
  return dumpOf(host, binaryOf(instance), main).catch((error: unknown) => {
    throw ofHost(instance, error, names, paths);
  });
}

/** The copies are removed before a user reads of them. */
function ofHost(instance: Instance, error: unknown, names: ReadonlyMap<HostPath, string>, paths: readonly HostPath[]): unknown {
  if (!(error instanceof KataError) || !isRefused(error)) return error;
  const { configPath, unit = facts.units[0] } = instance;
  const others = paths.filter((path) => path !== chosenFile);
  const works = `this works: ${commandWord(binaryOf(instance))} -c ${commandWord(configPath)} config dump`;
  return new KataError('engine-config-invalid', {
    ...error.complaint,
    subject: others[0] ?? renderedCri,
    found: [...names].reduce((text, [copy, file]) => text.replaceAll(copy, () => file), error.complaint.found),
    needed: 'Drop-ins that the containerd of k0s can load together.',
    next:
      others.length === 0
        ? `Let k0s write it again: systemctl restart ${unit}; then ${works}`
        : `Repair ${others.join(' or ')}; k0s reads it some seconds later, and then ${works}`,
  });
}

interface Merged {
  value: TomlTable;
  imports: DropIn[];
  /** Of all drop-ins. */
  paths: HostPath[];
}

/**
 * The files with the CRI's tables, merged over the defaults as k0s up to 1.35 does it (docs/facts/k0s.md#drop-ins-by-version), and all others,
 * which containerd imports before.
 */
async function merged(host: HostView, instance: Instance, overlay: Overlay): Promise<Merged> {
  const files = await readDropIns(filesView(host, overlay));
  const value = files.filter(isMerged).reduce((base, { doc }) => patched(base, doc.value), await defaults(host, instance));
  const imports = files.filter((file) => !isMerged(file));
  return { value: plain(value) as TomlTable, imports, paths: files.map(({ path }) => path) };
}

/** What k0s merges into: what it wrote last, without the handlers of kata-sysext that are in it; where it has not yet, containerd's own defaults. */
async function defaults(host: HostView, instance: Instance): Promise<TomlTable> {
  const text = await host.readText(renderedCri, 'configuration');
  if (text === undefined) {
    const binary = binaryOf(instance);
    const args = ['config', 'default'];
    const ran = await host.run(binary, args, { timeoutMs, accept: verdicts });
    if (ran.code !== 0) throw refused(binary, binary, args, ran.stderr.trim().split('\n').at(-1) ?? '');
    return { version: 2, plugins: { [oldPlugin]: tableAt(readDump(ran.stdout), ['plugins', oldPlugin]) } };
  }
  const value = readDump(text);
  const own = handlersIn((await host.readText(chosenFile, 'configuration')) ?? '');
  const runtimes = tableAt(value, runtimesPath(oldPlugin));
  for (const name of own) delete runtimes[name];
  return value;
}

/** A merge patch: tables are united, everything else is replaced. */
function patched(base: TomlTable, patch: TomlTable): TomlTable {
  const result: TomlTable = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    result[key] = isTable(value) ? patched(isTable(old) ? old : {}, value) : value;
  }
  return result;
}

/** Settings outside of tables are the same with and without the change, and left out. */
function textOf(value: TomlTable): string {
  const tables = Object.entries(value).flatMap(([key, table]) => (isTable(table) ? ['', ...renderTable([key], table)] : []));
  return ['version = 2', ...tables].map((line) => `${line}\n`).join('');
}
