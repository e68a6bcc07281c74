import { posix } from 'node:path';
import { type Finding, KataError } from '../../errors/index.ts';
import { byBytes, digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { addsExactly, findMark, type TomlTable, union, withoutMark } from '../toml/index.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { carriedLines, carriedRuntimes } from './carried.ts';
import { changesBetween } from './fileChanges.ts';
import { checkSet, saysNothing } from './checks.ts';
import { filesView, type Overlay } from './filesView.ts';
import { checkWanted, definitionsOf, handlerLines, handlerTable, isSame, leadsToOurs, pluginTable } from './handlers.ts';
import { type ConfigSet, loadSet } from './loader.ts';
import { type Content, type Piece, piecesOf } from './pieces.ts';
import { choosePlacement, type Placement, rangeTarget } from './placement.ts';
import { mergingOf, parseVersion, pluginOf, runtimesOf } from './schema.ts';
import { findingsOf, lookForMarks, type SeenMark, withoutOurs } from './seen.ts';

/** See `Engine.plan`. Everything starts from what the files are now. */
export async function planContainerd(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  checkWanted(wanted);
  const seen = await lookForMarks(host, recorded);
  const findings = findingsOf(seen);
  if (wanted.length === 0) return removal(host, seen, findings, recorded);
  if (seen.some((one) => one.state === 'altered')) return keepAltered(host, instance, wanted, findings, recorded!);

  const base = withoutOurs(seen);
  const version = parseVersion(instance.version);
  const set = await loadSet(filesView(host, base), instance.configPath, version);
  checkSet(set, instance);
  const merging = mergingOf(version, set.schema);
  const { missing, present } = sortWanted(set, wanted, merging === 'unites');
  const whole = seen.length > 0 && seen.every((one) => one.state === 'intact') && recorded?.configPath === instance.configPath;
  const placement = await choosePlacement(host, instance, { set, merging, seen, recorded: whole ? recorded?.method : undefined });

  const blank = saysNothing(set);
  const schema = blank ? (merging === 'unites' ? 3 : 2) : set.schema!;
  const plugin = pluginOf(schema);
  const target = placement.method === 'range' ? placement.target : undefined;
  const carried = missing.length === 0 || placement.method.startsWith('drop-in') ? {} : await carriedRuntimes(host, instance, {
    set,
    target,
    merging,
    previous: seen.find((one) => one.state === 'intact' && (target ? one.mark.path === target.real : one.mark.kind === 'file'))?.mark.text,
    ours: [...wanted, ...(recorded?.handlers ?? [])].map((handler) => handler.name),
  });
  const lines = [...carriedLines(carried, plugin), ...missing.flatMap((handler) => ['', ...handlerLines(handler, plugin)])];
  const content: Content = { lines, schema, blank };
  const baseText = textsOf(set, base, seen);
  const pieces = missing.length === 0 ? [] : piecesOf(placement, content, seen, (path) => baseText(path) ?? '');

  const added = pluginTable(plugin, union(carried, Object.fromEntries(missing.map((handler) => [handler.name, handlerTable(handler)]))));
  checkPieces(pieces, placement, added, content, baseText);
  await refuseForeignFile(host, pieces, seen);
  const after = new Map<HostPath, string | 'absent'>([...base, ...pieces.map((piece) => [piece.mark.path, piece.after] as const)]);
  await checkResult(host, instance, after, set, carried, wanted, merging === 'unites' ? undefined : rangeTarget);

  const kept = recorded?.folders ?? [];
  const makeFolders = await missingFolders(host, pieces);
  const folders = [...kept.filter((folder) => pieces.some((piece) => piece.mark.path.startsWith(`${folder}/`))), ...makeFolders.map(({ path }) => path)];
  return {
    wiring: {
      engine: instance.engine,
      configPath: instance.configPath,
      ...(instance.unit === undefined ? {} : { unit: instance.unit }),
      method: pieces.length === 0 ? 'present' : placement.method,
      handlers: wanted,
      marks: pieces.map((piece) => piece.mark),
      folders,
      key: wiringKey(instance, wanted, schema),
    },
    changes: await changesBetween(host, seen, pieces, after, set.patterns),
    makeFolders,
    dropFolders: kept.filter((folder) => !folders.includes(folder)).reverse(),
    findings: [...findings, ...present],
  };
}

/** Equal keys: the daemon knows the same handlers at the same paths, so that nothing has to be restarted (design §2.4). */
function wiringKey(instance: Instance, wanted: readonly WantedHandler[], schema: number) {
  const handlers = [...wanted].sort((a, b) => byBytes(a.name, b.name)).map(({ name, shim, configuration }) => [name, shim, configuration]);
  return digestOf(JSON.stringify([instance.engine, instance.configPath, schema, handlers]));
}

async function removal(host: HostView, seen: readonly SeenMark[], findings: Finding[], recorded?: Wiring): Promise<WiringPlan> {
  const dropFolders = [...(recorded?.folders ?? [])].reverse();
  return { changes: await changesBetween(host, seen, [], withoutOurs(seen), []), makeFolders: [], dropFolders, findings };
}

/** Somebody changed text of ours. It may stay while it still offers what is wanted; changing it would be guessing. */
async function keepAltered(host: HostView, instance: Instance, wanted: WantedHandler[], findings: Finding[], recorded: Wiring): Promise<WiringPlan> {
  const set = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  checkSet(set, instance);
  const serves = wanted.every((handler) => definitionsOf(set, handler.name).some(({ value }) => leadsToOurs(value, handler)));
  const stale = recorded.handlers.find(({ name }) => !wanted.some((handler) => handler.name === name) && definitionsOf(set, name).length > 0);
  if (serves && !stale) {
    const key = wiringKey(instance, wanted, set.schema ?? 0);
    return { wiring: { ...recorded, handlers: wanted, key }, changes: [], makeFolders: [], dropFolders: [], findings };
  }
  const edited = findings.find(({ code }) => code === 'foreign-edit')!;
  throw new KataError('foreign-edit', {
    subject: edited.subject,
    found: edited.found,
    needed: 'The text that kata-sysext wrote, because the change has to replace it.',
    next: `Move your own settings out of the text of kata-sysext in ${edited.subject}, or remove that text, then try again.`,
  });
}

/** Which handlers have to be written; those that somebody defined exactly as we would are left to them. */
function sortWanted(set: ConfigSet, wanted: readonly WantedHandler[], anywhere: boolean): { missing: WantedHandler[]; present: Finding[] } {
  const present: Finding[] = [];
  const missing = wanted.filter((handler) => {
    const definitions = definitionsOf(set, handler.name);
    if (definitions.length === 0) return true;
    const [{ file, value }] = definitions as [(typeof definitions)[0]];
    if (definitions.length > 1 || !isSame(value, handler) || !(anywhere || file === rangeTarget(set))) {
      throw new KataError('engine-foreign-handler', {
        subject: handler.name,
        found: `${file.path} already defines a handler named ${handler.name}, and not as kata-sysext would.`,
        needed: 'A name that nobody else defines.',
        next: `Remove the table of ${handler.name} from ${file.path}, or take over that installation: kata-sysext adopt.`,
      });
    }
    present.push({
      code: 'engine-foreign-handler',
      level: 'info',
      subject: handler.name,
      found: `${file.path} already defines ${handler.name} exactly as needed; it is left to its owner.`,
      needed: 'Nothing.',
      next: 'Nothing needs to be done.',
    });
    return false;
  });
  return { missing, present };
}

/** Reads a file as it is without our marks. */
function textsOf(set: ConfigSet, base: Overlay, seen: readonly SeenMark[]): (path: HostPath) => string | undefined {
  return (path) => {
    const thought = base.get(path);
    if (thought !== undefined) return thought === 'absent' ? undefined : thought;
    return set.files.find((file) => file.real === path)?.doc.text ?? seen.find((one) => one.mark.path === path)?.now;
  };
}

/** Judges the composed texts by two parsers, and that taking our text out again gives the very bytes back. */
function checkPieces(pieces: readonly Piece[], placement: Placement, tables: TomlTable, content: Content, baseText: (path: HostPath) => string | undefined): void {
  for (const { mark, after } of pieces) {
    const before = mark.kind === 'file' ? '' : (baseText(mark.path) ?? '');
    const added = addedBy(mark.kind, placement, tables, content);
    let exact: boolean;
    try {
      exact = addsExactly(before, after, added, mark.path) && (mark.kind === 'file' || (findMark(after, mark.text) !== undefined && withoutMark(after, mark.text, mark.path) === before));
    } catch (cause) {
      throw unfit(mark.path, cause);
    }
    if (!exact) throw unfit(mark.path);
  }
}

function addedBy(kind: 'file' | 'range', placement: Placement, tables: TomlTable, content: Content): TomlTable {
  if (kind === 'file') return union({ version: content.schema }, tables);
  if (placement.method === 'drop-in and import') return { imports: [placement.pattern] };
  return content.blank ? union({ version: content.schema }, tables) : tables;
}

function unfit(path: HostPath, cause?: unknown): KataError {
  return new KataError('engine-unsupported', {
    subject: path,
    found: `${path} is written in a shape to which no table can be added: a parent of the handler's table is an inline table, a list or a plain value.`,
    needed: 'Ordinary tables ([plugins...]) on the way to containerd.runtimes.',
    next: `Write the inline tables of ${path} as ordinary ones.`,
    ...(cause === undefined ? {} : { cause }),
  });
}

async function refuseForeignFile(host: HostView, pieces: readonly Piece[], seen: readonly SeenMark[]): Promise<void> {
  for (const { mark } of pieces) {
    if (mark.kind !== 'file' || seen.some((one) => one.mark.path === mark.path && one.state === 'intact')) continue;
    if (!(await host.lstat(mark.path))) continue;
    throw new KataError('foreign-file', {
      subject: mark.path,
      found: `${mark.path} is there already and was not recorded by kata-sysext.`,
      needed: 'No file of that name.',
      next: `Look at ${mark.path} and remove or rename it.`,
    });
  }
}

/** Loads the files as they will be, by the daemon's rules: every wanted handler is there, and no other runtime came or went. */
async function checkResult(
  host: HostView,
  instance: Instance,
  after: Overlay,
  before: ConfigSet,
  carried: TomlTable,
  wanted: readonly WantedHandler[],
  only: ((set: ConfigSet) => ConfigSet['files'][number]) | undefined,
): Promise<void> {
  const set = await loadSet(filesView(host, after), instance.configPath, parseVersion(instance.version));
  checkSet(set, instance);
  const names = (files: ConfigSet['files']) => files.flatMap((file) => Object.keys(runtimesOf(file.doc.value)));
  const visible = only && set.files.length > 0 ? [only(set)] : set.files;
  const lost = wanted.find((handler) => !names(visible).includes(handler.name));
  const expected = new Set([...names(before.files), ...Object.keys(carried), ...wanted.map((handler) => handler.name)]);
  const found = new Set(names(set.files));
  if (!lost && found.size === expected.size && [...found].every((name) => expected.has(name))) return;
  throw new KataError('engine-unsupported', {
    subject: instance.configPath,
    found: `The files as they would be do not offer exactly the wanted handlers${lost ? ` (${lost.name} is missing)` : ''}.`,
    needed: 'A configuration whose files can be extended by a table.',
    next: 'Send the output of kata-sysext report to the authors.',
  });
}

async function missingFolders(host: HostView, pieces: readonly Piece[]): Promise<{ path: HostPath; mode: number }[]> {
  const missing = new Set<HostPath>();
  for (const { mark } of pieces) {
    for (let at = posix.dirname(mark.path); at !== '/' && !(await host.lstat(at)); at = posix.dirname(at)) missing.add(at);
  }
  return [...missing].sort((a, b) => a.length - b.length).map((path) => ({ path, mode: 0o755 }));
}
