import { parseDocument, tableAt, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { editedByOthers, foreignHandler, refuseForeignFiles } from '../common/complaints.ts';
import { filesView } from '../common/filesView.ts';
import { missingFolders } from '../common/folders.ts';
import { foreignWiringIn } from '../common/foreignWiring.ts';
import { findingsOf, lookForMarks, type SeenMark, withoutOurs } from '../common/seen.ts';
import { refuseTemplates } from '../common/templates.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import { changesBetween } from '../containerd/fileChanges.ts';
import { tablesLeadingTo } from '../containerd/foreignWiring.ts';
import { leadsToOurs } from '../containerd/handlers.ts';
import { newPlugin, oldPlugin, runtimesPath } from '../containerd/schema.ts';
import type { FileChange, ForeignWiring, Instance, Mark, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { refuseWithoutPods } from './detect.ts';
import { facts } from './facts.ts';
import { type DropIn, isMerged, pattern, readDropIns } from './folder.ts';
import { checkManaged } from './managed.ts';
import { chosenFile, inRemovalOrder, isOwnFolder, marksFor } from './texts.ts';
import { schemaOf } from './version.ts';

const method = 'drop-in for each version';

/** See `Engine.plan`. All files are kata-sysext's own: nothing of others is edited, but wiring of others that a change replaces. */
export async function planK0s(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  checkWanted(wanted);
  const seen = (await lookForMarks(host, recorded)).map(whole);
  const findings = findingsOf(seen);
  if (wanted.length === 0) return removal(host, seen, findings, recorded);
  await checkManaged(host, instance);
  if (seen.some(({ state }) => state === 'altered')) return keepAltered(instance, wanted, seen, findings, recorded!);
  const base = withoutOurs(seen);
  const others = await readDropIns(filesView(host, base));
  if (recorded === undefined) refuseTemplates(others);
  if (recorded === undefined) await refuseWithoutPods(host, instance);
  refuseTakenNames(others, wanted);
  const unit = instance.unit ?? facts.units[0]!;
  const program = instance.renderer?.program ?? '/usr/local/bin/k0s';
  const marks = marksFor(wanted, schemaOf(instance.version), unit, program);
  const paths = marks.map(({ path }) => path);
  await refuseForeignFiles(host, paths, seen);
  const pieces = inRemovalOrder(marks, ({ path }) => path)
    .reverse()
    .map((mark) => ({ mark, after: mark.text }));
  const dropped = [...base].filter(([path]) => !paths.includes(path));
  const after = new Map([...dropped, ...pieces.map((piece) => [piece.mark.path, piece.after] as const)]);
  const makeFolders = await missingFolders(host, paths);
  const kept = recorded?.folders ?? [];
  const folders = [...kept.filter((folder) => paths.some((path) => path.startsWith(`${folder}/`))), ...makeFolders.map(({ path }) => path)];
  return {
    wiring: wiringOf(instance, unit, wanted, marks, folders),
    changes: (await changesBetween(host, seen, pieces, after, [pattern])).map(withRemains),
    makeFolders,
    dropFolders: kept.filter((folder) => !folders.includes(folder)).reverse(),
    findings: [...findings, ...stoppers(others, instance)],
  };
}

/** See `Engine.findForeignWiring`: only what k0s reads from its folder. */
export async function findForeignK0s(host: HostView, _instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  const files = await readDropIns(filesView(host));
  return foreignWiringIn(
    host,
    files.map(({ path, doc }) => ({ path, doc, tables: tablesLeadingTo(doc, shim), idle: { version: 0 } })),
  );
}

function wiringOf(instance: Instance, unit: string, handlers: WantedHandler[], marks: Mark[], folders: HostPath[]): Wiring {
  return {
    engine: instance.engine,
    configPath: instance.configPath,
    unit,
    effect: instance.effect,
    binary: instance.binary,
    method,
    handlers,
    marks,
    folders,
    key: keyOf(instance, handlers),
  };
}

/** Which of both texts is in place is no difference: each of them names the same handlers. */
function keyOf(instance: Instance, handlers: WantedHandler[]) {
  return wiringKey(instance, handlers, 0);
}

/** What a loss of power can leave of a file that the script put in place: it is kata-sysext's, and no edit. */
const remains = '';

function whole(seen: SeenMark): SeenMark {
  return seen.mark.path === chosenFile && seen.now === remains ? { ...seen, state: 'intact' } : seen;
}

function withRemains(change: FileChange): FileChange {
  return change.path === chosenFile ? { ...change, ours: [...change.ours, remains] } : change;
}

/** On a live host the folder of drop-ins stays with those above it: a k0s that runs watches it. */
async function removal(host: HostView, seen: readonly SeenMark[], findings: Finding[], recorded?: Wiring): Promise<WiringPlan> {
  const made = recorded?.folders ?? [];
  return {
    changes: (await changesBetween(host, seen, [], withoutOurs(inRemovalOrder(seen, ({ mark }) => mark.path)), [pattern])).map(withRemains),
    makeFolders: [],
    dropFolders: made.filter((folder) => !host.live || isOwnFolder(folder)).reverse(),
    findings,
  };
}

/** Another program or user changed a file of kata-sysext. It stays where the same handlers are wanted; an edit would be a guess. */
function keepAltered(
  instance: Instance,
  wanted: WantedHandler[],
  seen: readonly SeenMark[],
  findings: Finding[],
  recorded: Wiring,
): WiringPlan {
  const key = keyOf(instance, wanted);
  if (recorded.key !== key || !seen.every((one) => one.mark.path !== chosenFile || serves(one, wanted))) throw editedByOthers(findings);
  return { wiring: recorded, changes: [], makeFolders: [], dropFolders: [], findings };
}

/** Whether the file that k0s reads still names each handler's shim and configuration. */
function serves({ mark, state, now }: SeenMark, wanted: readonly WantedHandler[]): boolean {
  if (state === 'intact') return true;
  try {
    const { value } = parseDocument(now ?? '', mark.path);
    const named = [oldPlugin, newPlugin].map((plugin) => tableAt(value, runtimesPath(plugin)));
    return wanted.every((handler) => named.some((runtimes) => leadsToOurs(valueAt(runtimes, [handler.name]), handler)));
  } catch {
    return false;
  }
}

/** k0s merges the files in the order of their names: a second definition of a name would change the first one, or be changed by it. */
function refuseTakenNames(others: readonly DropIn[], wanted: readonly WantedHandler[]): void {
  for (const { path, doc } of others) {
    const names = [oldPlugin, newPlugin].flatMap((plugin) => Object.keys(tableAt(doc.value, runtimesPath(plugin))));
    const taken = wanted.find(({ name }) => names.includes(name));
    if (taken !== undefined) throw foreignHandler(taken.name, path);
  }
}

/**
 * Drop-ins of others beside which k0s from 1.36 on does not start, whatever kata-sysext has done; its `k0s sysinfo` makes the check of its start
 * (docs/facts/k0s.md#drop-ins-by-version).
 */
function stoppers(others: readonly DropIn[], { version }: Instance): Finding[] {
  const fault = version !== undefined && schemaOf(version) === 3 ? stopsNow : stopsLater;
  return others
    .filter((file) => isMerged(file) || ![undefined, 3].includes(file.doc.value['version'] as number | undefined))
    .map(({ path }) => ({ code: 'engine-config-mixed', subject: path, ...fault(path, version) }));
}

type Fault = (path: HostPath, version: string | undefined) => Pick<Finding, 'level' | 'found' | 'needed' | 'next'>;

const stopsLater: Fault = (path) => ({
  level: 'info',
  found: `${path} is written for k0s up to 1.35: k0s from 1.36 on does not start beside it, with or without Kata.`,
  needed: 'Nothing today; for an update to k0s 1.36, schema 3 in it (version = 3).',
  next: 'Nothing now. For that update: k0s stop, convert the file, and ask the new program: k0s sysinfo',
});

const stopsNow: Fault = (path, version) => ({
  level: 'warning',
  found: `${path} is written for k0s up to 1.35: k0s ${version} does not start beside it, with or without Kata, so that no pod would run after the next start.`,
  needed: 'Schema 3 in it (version = 3, no table of io.containerd.grpc.v1.cri), or no such file.',
  next: `Convert ${path}, then ask whether k0s would start: k0s sysinfo`,
});

/** Names of the handlers in a text of kata-sysext; none in one that is no drop-in. */
export function handlersIn(text: string): string[] {
  try {
    const { value } = parseDocument(text, 'a text of kata-sysext');
    return [oldPlugin, newPlugin].flatMap((plugin) => Object.keys(tableAt(value, runtimesPath(plugin))));
  } catch {
    return [];
  }
}
