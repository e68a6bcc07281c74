import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { refuseForeignFiles } from '../common/complaints.ts';
import { filesView } from '../common/filesView.ts';
import { missingFolders } from '../common/folders.ts';
import { findingsOf, lookForMarks, type SeenMark, withoutOurs } from '../common/seen.ts';
import { refuseTemplates } from '../common/templates.ts';
import { parseVersion } from '../common/version.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { checkSet } from './checks.ts';
import type { Piece } from './edits.ts';
import { changesBetween } from './fileChanges.ts';
import { keepAltered, sortWanted } from './foreign.ts';
import { canRoot, generatedFinding, generatorOf } from './generator.ts';
import { shimIsType } from './handlers.ts';
import { loadSet } from './loader.ts';
import { choosePlacement, rangeTarget } from './placement.ts';
import { removedKeyFindings } from './removedKeys.ts';
import { rootFile, rootPieces, withoutRoot } from './rootFile.ts';
import { laterSchemaFinding } from './rootSchema.ts';
import { mergingOf } from './schema.ts';
import { type Added, addedTables, type Basis, type Request } from './tables.ts';
import { requireConfigTold } from './unitCommand.ts';
import { checkResult } from './verifyEdits.ts';

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

  const request = { given, wanted, recorded, rewrittenIn, seen };
  const basis = await readBasis(host, request);
  const added = await addedTables(host, request, basis);
  const rooted = added.pieces.length === 0 ? [] : await rootPieces(host, basis.instance, basis.placement.method);
  return wiringPlan(host, request, basis, added, rooted);
}

/** What the daemon reads without the text of kata-sysext, and where the tables go. */
async function readBasis(host: HostView, { given, wanted, recorded, rewrittenIn, seen }: Request): Promise<Basis> {
  if (recorded === undefined) await requireConfigTold(host, given);
  const texts = withoutOurs(seen);
  const instance = await withoutRoot(host, given, recorded);
  const version = parseVersion(instance.version);
  const set = await loadSet(filesView(host, texts), instance.configPath, version);
  checkSet(set, instance, host);
  // A node that was wired before must not lose its handlers at a boot for a text of another setting.
  if (recorded === undefined) refuseTemplates(set.files);
  const merging = mergingOf(version, set.schema);
  const sorted = sortWanted(set, wanted, merging === 'unites', version);
  const whole =
    seen.length > 0 &&
    seen.every((one) => one.state === 'intact') &&
    (recorded?.configPath === given.configPath || recorded?.configPath === rootFile);
  const generator = rewrittenIn !== undefined ? undefined : await generatorOf(host, instance, set.files[0]);
  const isGenerated = rewrittenIn !== undefined || (generator !== undefined && (await canRoot(host, instance)));
  const input = { set, merging, seen, recorded: whole ? recorded?.method : undefined, isGenerated };
  return { texts, instance, version, set, merging, ...sorted, generator, placement: await choosePlacement(host, instance, input) };
}

async function wiringPlan(host: HostView, request: Request, basis: Basis, added: Added, rooted: Piece[]): Promise<WiringPlan> {
  const { given, wanted, recorded, seen } = request;
  const { instance, version, set, placement, generator } = basis;
  const pieces = [...added.pieces, ...rooted];
  const paths = pieces.map(({ mark }) => mark.path);
  const files = pieces.filter(({ mark }) => mark.kind === 'file').map(({ mark }) => mark.path);
  await refuseForeignFiles(host, files, seen);
  const reads = rooted.length === 0 ? instance.configPath : rootFile;
  const after = new Map<HostPath, string | 'absent'>([...basis.texts, ...pieces.map(({ mark, after }) => [mark.path, after] as const)]);
  const target = basis.merging === 'unites' ? undefined : rangeTarget;
  await checkResult(host, { ...instance, configPath: reads }, after, set, added.carried, wanted, target);

  const makeFolders = await missingFolders(host, paths);
  const { stay, go } = earlierFolders(recorded, paths, makeFolders);
  const texts = rooted.map((piece) => piece.after);
  return {
    wiring: {
      engine: instance.engine,
      configPath: reads,
      unit: instance.unit,
      binary: instance.binary,
      method: pieces.length === 0 ? 'present' : placement.method,
      handlers: wanted,
      marks: pieces.map(({ mark }) => mark),
      folders: [...stay, ...makeFolders.map(({ path }) => path)],
      key: wiringKey({ ...instance, configPath: reads }, wanted, added.tables.schema, shimIsType(version), texts),
    },
    changes: await changesBetween(host, seen, pieces, after, set.patterns),
    reads: reads === given.configPath ? undefined : reads,
    makeFolders,
    dropFolders: go,
    findings: [
      ...findingsOf(seen),
      ...basis.present,
      ...removedKeyFindings(set, version),
      ...laterSchemaFinding(set, placement, added.tables, instance.version),
      ...(generator === undefined ? [] : [generatedFinding(generator, placement.method)]),
    ],
  };
}

/** Of the folders that an earlier plan made: those that are needed still, and those that go, deepest first. */
function earlierFolders(
  recorded: Wiring | undefined,
  paths: readonly HostPath[],
  made: readonly { path: HostPath }[],
): { stay: HostPath[]; go: HostPath[] } {
  const kept = recorded?.folders ?? [];
  const stay = kept.filter((folder) => paths.some((path) => path.startsWith(`${folder}/`)));
  const needed = [...stay, ...made.map(({ path }) => path)];
  return { stay, go: kept.filter((folder) => !needed.includes(folder)).reverse() };
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
