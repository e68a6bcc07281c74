import { isUnfilled, placeAt } from '../../documents/index.ts';
import { addMembers, type JsonNode, newObject, readJsonText, sameJson, withoutRange } from '../../documents/jsonFile/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { editedByOthers, foreignHandler, presentHandler } from '../common/complaints.ts';
import { missingFolders } from '../common/folders.ts';
import { templateAt } from '../common/templates.ts';
import { unsupported } from '../common/unsupported.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, Mark, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { changesOf } from './changes.ts';
import { fatalIn, refuseFatal } from './checks.ts';
import { handlersNow, refuseLostDefault, withoutText } from './lostDefault.ts';
import { checkDaemon, checkPlace, limits } from './preconditions.ts';
import { isSame, isTable, leadsToOurs, placeOfKeys, runtimeOf, runtimesIn, runtimesKey, saidBy, type Table, tableOf } from './runtimes.ts';
import { findingsIn, type SeenFile, seeFiles } from './seen.ts';

/** See `Engine.plan`: members of one object in daemon.json. */
export async function planDocker(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  checkWanted(wanted);
  const path = await host.realpath(instance.configPath);
  const seen = await seeFiles(host, path, recorded);
  const findings = findingsIn(seen);
  if (wanted.length === 0) return removal(host, instance, seen, findings, recorded);
  await checkDaemon(host, instance);
  await checkPlace(host, path);
  if (seen.some(({ marks }) => marks.some(({ state }) => state === 'altered')))
    return keepAltered(instance, wanted, seen, findings, recorded!);

  const file = seen.find((each) => each.path === path)!;
  const root = rootOf(file);
  refuseFatal(file, tableIn(root), instance, handlersNow(file));
  if (recorded === undefined) refuseTemplate(path, file.now ?? '', root);
  const { missing, present } = sortWanted(path, root, wanted);
  const { text, mark } = textOf(file, root, missing);
  refuseLostDefault(instance, file, text);
  checkText(file, text, mark, missing);
  const after = new Map([...seen.map((each): [HostPath, string | 'absent'] => [each.path, each.bare]), [path, text] as const]);
  const kept = recorded?.folders ?? [];
  const makeFolders = text === 'absent' ? [] : await missingFolders(host, [path]);
  const folders = [
    ...kept.filter((folder) => mark !== undefined && path.startsWith(`${folder}/`)),
    ...makeFolders.map((folder) => folder.path),
  ];
  return {
    wiring: wiringOf(instance, wanted, mark === undefined ? [] : [mark], folders),
    changes: await changesOf(host, instance, seen, after, mark),
    makeFolders,
    dropFolders: kept.filter((folder) => !folders.includes(folder)).reverse(),
    findings: [...findings, ...present, ...(recorded === undefined ? [limits(tableIn(root))] : [])],
  };
}

/** The text of kata-sysext must be removable even from a file that is no JSON any more. Without a recorded one, such a file is an error. */
async function removal(
  host: HostView,
  instance: Instance,
  seen: readonly SeenFile[],
  findings: Finding[],
  recorded?: Wiring,
): Promise<WiringPlan> {
  if (recorded === undefined) for (const file of seen) rootOf(file);
  const { after, kept } = withoutText(instance, seen, host.booted && !host.live);
  const dropFolders = [...(recorded?.folders ?? [])].reverse();
  return { changes: await changesOf(host, instance, seen, after), makeFolders: [], dropFolders, findings: [...findings, ...kept] };
}

/** Another program or user changed a handler of kata-sysext. It stays if it still names the wanted files; an edit would be a guess. */
function keepAltered(
  instance: Instance,
  wanted: WantedHandler[],
  seen: readonly SeenFile[],
  findings: Finding[],
  recorded: Wiring,
): WiringPlan {
  const [table = {}] = seen.map(({ now, path }) => tableOf(now === undefined ? undefined : readJsonText(now, path)));
  const serves = wanted.every((handler) => leadsToOurs(table[handler.name], handler));
  const stale = recorded.handlers.some(({ name }) => !wanted.some((handler) => handler.name === name) && Object.hasOwn(table, name));
  if (!serves || stale) throw editedByOthers(findings);
  return {
    wiring: { ...recorded, handlers: wanted, key: wiringKey(instance, wanted, 0) },
    changes: [],
    makeFolders: [],
    dropFolders: [],
    findings,
  };
}

function wiringOf(instance: Instance, handlers: WantedHandler[], marks: Mark[], folders: HostPath[]): Wiring {
  const { engine, configPath, unit, effect, binary } = instance;
  return {
    engine,
    configPath,
    unit,
    effect,
    binary,
    method: marks.length === 0 ? 'present' : 'key',
    handlers,
    marks,
    folders,
    key: wiringKey(instance, handlers, 0),
  };
}

/** Sorts the wanted handlers: `missing` ones are to be written; `present` ones are there exactly so, and stay with their owner. */
function sortWanted(
  path: HostPath,
  root: JsonNode | undefined,
  wanted: readonly WantedHandler[],
): { missing: WantedHandler[]; present: Finding[] } {
  const table = tableOf(root);
  const present: Finding[] = [];
  const missing = wanted.filter((handler) => {
    if (!Object.hasOwn(table, handler.name)) return true;
    if (!isSame(table[handler.name], handler)) throw foreignHandler(handler.name, path);
    present.push(presentHandler(handler.name, path));
    return false;
  });
  return { missing, present };
}

function textOf(file: SeenFile, root: JsonNode | undefined, missing: readonly WantedHandler[]): { text: string | 'absent'; mark?: Mark } {
  const { path, bare } = file;
  const table = Object.fromEntries(missing.map((handler) => [handler.name, runtimeOf(handler)]));
  const kept = keptMark(file, table);
  if (kept !== undefined) return { text: file.now!, mark: kept };
  if (missing.length === 0) return { text: bare };
  const range = (text: string): Mark => ({ path, kind: 'range', text });
  if (bare === 'absent') {
    const text = newObject([[runtimesKey, table]]);
    return { text, mark: { path, kind: 'file', text } };
  }
  if (root === undefined) {
    const text = newObject([[runtimesKey, table]]);
    return { text: bare + text, mark: range(text) };
  }
  const inner = runtimesIn(root);
  if (inner !== undefined && !isTable(inner.value)) {
    throw unsupported(
      path,
      `${path}, ${placeOfKeys(root, bare, [runtimesKey])}: the key ${runtimesKey} is no object.`,
      'An object.',
      `Remove the key ${runtimesKey} from ${path}.`,
    );
  }
  const added = inner === undefined ? addMembers(bare, root, [[runtimesKey, table]]) : addMembers(bare, inner, Object.entries(table));
  return { text: added.text, mark: range(added.inserted) };
}

/** The text of kata-sysext as it is, where it says what is wanted: it keeps its place and its form. */
function keptMark({ marks, now }: SeenFile, table: Table): Mark | undefined {
  const [first, ...more] = marks;
  if (now === undefined || first === undefined || more.length > 0 || first.state !== 'intact') return undefined;
  return sameJson(saidBy(first.mark.text).handlers, table) ? first.mark : undefined;
}

/** What is planned must be what a strict reader finds, must be a way back, and must not keep the daemon from starting. */
function checkText({ path, bare }: SeenFile, text: string | 'absent', mark: Mark | undefined, missing: readonly WantedHandler[]): void {
  if (text === 'absent' || mark === undefined) return;
  const root = readJsonText(text, path);
  const before = bare === 'absent' ? undefined : readJsonText(bare, path);
  const table = { ...tableOf(before), ...Object.fromEntries(missing.map((handler) => [handler.name, runtimeOf(handler)])) };
  const back = mark.kind === 'file' ? 'absent' : withoutRange(text, mark.text, path);
  const right = sameJson(tableIn(root), { ...tableIn(before), [runtimesKey]: table }) && fatalIn(tableIn(root)).length === 0;
  if (!right || back !== bare) throw new Error(`the text for ${path} does not say what is wanted, or is no way back`);
}

function rootOf({ bare, path }: SeenFile): JsonNode | undefined {
  return bare === 'absent' ? undefined : readJsonText(bare, path);
}

function tableIn(root: JsonNode | undefined): Table {
  return isTable(root?.value) ? root.value : {};
}

/** Throws engine-config-invalid for a template whose places are all in texts. What dockerd itself fills in, as tags of logs, is none. */
function refuseTemplate(path: HostPath, text: string, root: JsonNode | undefined): void {
  const at = root === undefined ? undefined : placeholderIn(root);
  if (at !== undefined) throw templateAt(path, placeAt(text, at));
}

function placeholderIn({ members, value, start }: JsonNode): number | undefined {
  if (members === undefined) return isUnfilled(JSON.stringify(value)) ? start : undefined;
  for (const member of members) {
    if (isUnfilled(member.key)) return member.start;
    const at = member.key === 'log-opts' ? undefined : placeholderIn(member.value);
    if (at !== undefined) return at;
  }
  return undefined;
}
