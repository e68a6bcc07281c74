import { parseDocument, type TomlTable, union, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { refuseForeignFiles } from '../common/complaints.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { missingFolders } from '../common/folders.ts';
import { findingsOf, lookForMarks, type SeenMark, withoutOurs } from '../common/seen.ts';
import { refuseTemplates } from '../common/templates.ts';
import { parseVersion, type Version } from '../common/version.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { checkSet, saysNothing } from './checks.ts';
import { piecesOf } from './edits.ts';
import { changesBetween } from './fileChanges.ts';
import { keepAltered, sortWanted } from './foreign.ts';
import { canRoot, generatedFinding, generatorOf } from './generator.ts';
import { handlerLines, handlerTable, pluginTable, shimIsType } from './handlers.ts';
import { carriedLines, carriedRuntimes } from './inheritedRuntimes.ts';
import { type ConfigSet, loadSet } from './loader.ts';
import { choosePlacement, type Placement, rangeTarget } from './placement.ts';
import { removedKeyFindings } from './removedKeys.ts';
import { rootFile, rootPieces, withoutRoot } from './rootFile.ts';
import { laterSchemaFinding, schemaBelowRoot, schemaOfTables, type TableSchema } from './rootSchema.ts';
import { highestSchema, type Merging, mergingOf, pluginOf } from './schema.ts';
import { requireConfigTold } from './unitCommand.ts';
import { checkPieces, checkResult } from './verifyEdits.ts';

/**
 * See `Engine.plan`. Everything starts from what the files are now. `rewrittenIn`: the schema in which a program that is known writes the
 * main file again, so that an edit of it is no choice.
 */
export async function planContainerd(
  host: HostView,
  given: Instance,
  wanted: WantedHandler[],
  recorded?: Wiring,
  rewrittenIn?: number,
): Promise<WiringPlan> {
  checkWanted(wanted);
  const seen = await lookForMarks(host, recorded);
  const findings = findingsOf(seen);
  if (wanted.length === 0) return removal(host, given, seen, findings, recorded);
  if (seen.some((one) => one.state === 'altered')) return keepAltered(host, given, wanted, findings, recorded!);

  if (recorded === undefined) await requireConfigTold(host, given);
  const base = withoutOurs(seen);
  const instance = await withoutRoot(host, given, recorded);
  const version = parseVersion(instance.version);
  const set = await loadSet(filesView(host, base), instance.configPath, version);
  checkSet(set, instance, host);
  // A node that was wired before must not lose its handlers at a boot for a text of another setting.
  if (recorded === undefined) refuseTemplates(set.files);
  const merging = mergingOf(version, set.schema);
  const { missing, present } = sortWanted(set, wanted, merging === 'unites', version);
  const whole =
    seen.length > 0 &&
    seen.every((one) => one.state === 'intact') &&
    (recorded?.configPath === given.configPath || recorded?.configPath === rootFile);
  const generator = rewrittenIn !== undefined ? undefined : await generatorOf(host, instance, set.files[0]);
  const isGenerated = rewrittenIn !== undefined || (generator !== undefined && (await canRoot(host, instance)));
  const placement = await choosePlacement(host, instance, {
    set,
    merging,
    seen,
    recorded: whole ? recorded?.method : undefined,
    isGenerated,
  });

  const blank = saysNothing(set);
  // A copy of the vendor’s file is made from that alone.
  const previous = placement.method === 'root copy' ? undefined : previousText(seen, placement, version);
  const tables = schemaFor(set, placement, { merging, version, previous: previous?.schema, comes: rewrittenIn });
  const { schema, isWritten } = tables;
  const plugin = pluginOf(schema);
  const carried = await carriedFor(host, instance, { set, placement, merging, previous: previous?.text, wanted, recorded, missing });
  const lines = [...carriedLines(carried, plugin), ...missing.flatMap((handler) => ['', ...handlerLines(handler, plugin, version)])];
  const content = { lines, schema, isWritten, blank };
  const baseText = textsOf(set, base, seen);
  const pieces = missing.length === 0 ? [] : piecesOf(placement, content, seen, (path) => baseText(path) ?? '');

  const added = pluginTable(
    plugin,
    union(carried, Object.fromEntries(missing.map((handler) => [handler.name, handlerTable(handler, version)]))),
  );
  checkPieces(pieces, placement, added, content, baseText);
  const rooted = pieces.length === 0 ? [] : await rootPieces(host, instance, placement.method);
  pieces.push(...rooted);
  const reads = rooted.length === 0 ? instance.configPath : rootFile;
  const files = pieces.filter((piece) => piece.mark.kind === 'file');
  await refuseForeignFiles(
    host,
    files.map((piece) => piece.mark.path),
    seen,
  );
  const after = new Map<HostPath, string | 'absent'>([...base, ...pieces.map((piece) => [piece.mark.path, piece.after] as const)]);
  await checkResult(host, { ...instance, configPath: reads }, after, set, carried, wanted, merging === 'unites' ? undefined : rangeTarget);

  const kept = recorded?.folders ?? [];
  const makeFolders = await missingFolders(
    host,
    pieces.map((piece) => piece.mark.path),
  );
  const folders = [
    ...kept.filter((folder) => pieces.some((piece) => piece.mark.path.startsWith(`${folder}/`))),
    ...makeFolders.map(({ path }) => path),
  ];
  return {
    wiring: {
      engine: instance.engine,
      configPath: reads,
      ...(instance.unit === undefined ? {} : { unit: instance.unit }),
      ...(instance.binary === undefined ? {} : { binary: instance.binary }),
      method: pieces.length === 0 ? 'present' : placement.method,
      handlers: wanted,
      marks: pieces.map((piece) => piece.mark),
      folders,
      key: wiringKey(
        { ...instance, configPath: reads },
        wanted,
        schema,
        shimIsType(version),
        rooted.map(({ after }) => after),
      ),
    },
    changes: await changesBetween(host, seen, pieces, after, set.patterns),
    reads: reads === given.configPath ? undefined : reads,
    makeFolders,
    dropFolders: kept.filter((folder) => !folders.includes(folder)).reverse(),
    findings: [
      ...findings,
      ...present,
      ...removedKeyFindings(set, version),
      ...laterSchemaFinding(set, placement, tables, instance.version),
      ...(generator === undefined ? [] : [generatedFinding(generator, placement.method)]),
    ],
  };
}

async function removal(
  host: HostView,
  given: Instance,
  seen: readonly SeenMark[],
  findings: Finding[],
  recorded?: Wiring,
): Promise<WiringPlan> {
  const dropFolders = [...(recorded?.folders ?? [])].reverse();
  // The text of kata-sysext must be removable even when the files do not load: then no pattern is known.
  const set = recorded && (await loadSet(filesView(host), recorded.configPath).catch(() => undefined));
  const changes = await changesBetween(host, seen, [], withoutOurs(seen), set?.patterns ?? []);
  const { configPath } = await withoutRoot(host, given, recorded).catch(() => given);
  return { changes, reads: configPath === given.configPath ? undefined : configPath, makeFolders: [], dropFolders, findings };
}

/** Reads a file without the marks of kata-sysext. */
function textsOf(set: ConfigSet, base: Overlay, seen: readonly SeenMark[]): (path: HostPath) => string | undefined {
  return (path) => {
    const thought = base.get(path);
    if (thought !== undefined) return thought === 'absent' ? undefined : thought;
    return set.files.find((file) => file.real === path)?.doc.text ?? seen.find((one) => one.mark.path === path)?.now;
  };
}

/** The intact text that the tables will replace, with its schema; undefined when this daemon cannot read that schema. */
function previousText(
  seen: readonly SeenMark[],
  placement: Placement,
  version: Version | undefined,
): { text: string; schema: number | undefined } | undefined {
  const path = placement.method === 'range' ? placement.target.real : placement.path;
  const mark = seen.find((one) => one.state === 'intact' && one.mark.path === path)?.mark;
  if (!mark) return undefined;
  const written = valueAt(parseDocument(mark.text, path).value, ['version']);
  const schema = typeof written === 'number' ? written : placement.method === 'root file' ? schemaOfTables(mark.text, path) : undefined;
  return version && schema !== undefined && schema > highestSchema(version) ? undefined : { text: mark.text, schema };
}

interface SchemaFor {
  merging: Merging;
  version: Version | undefined;
  previous: number | undefined;
  comes: number | undefined;
}

function schemaFor({ schema }: ConfigSet, { method }: Placement, { merging, version, previous, comes }: SchemaFor): TableSchema {
  if (method !== 'root file') return { schema: schema ?? previous ?? (merging === 'unites' ? 3 : 2), isWritten: true };
  // Versions of files that a root file imports decide nothing, and must not be higher than that of the main one.
  return schema === undefined ? schemaBelowRoot(version, previous, comes) : { schema, isWritten: false };
}

interface CarriedFor {
  set: ConfigSet;
  placement: Placement;
  merging: Merging;
  previous: string | undefined;
  wanted: readonly WantedHandler[];
  recorded: Wiring | undefined;
  missing: readonly WantedHandler[];
}

async function carriedFor(host: HostView, instance: Instance, input: CarriedFor): Promise<TomlTable> {
  const { set, placement, merging, previous, wanted, recorded, missing } = input;
  if (missing.length === 0 || placement.method.startsWith('drop-in')) return {};
  const ours = [...wanted, ...(recorded?.handlers ?? [])].map((handler) => handler.name);
  return carriedRuntimes(host, instance, {
    set,
    target: 'target' in placement ? placement.target : undefined,
    merging,
    previous,
    ours,
  });
}
