import { posix } from 'node:path';
import type { TomlTable } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { refuseForeignFiles } from '../common/complaints.ts';
import type { Overlay } from '../common/filesView.ts';
import { missingFolders } from '../common/folders.ts';
import { findingsOf, type SeenMark, withoutOurs } from '../common/seen.ts';
import { refuseTemplates } from '../common/templates.ts';
import { unsupported } from '../common/unsupported.ts';
import { parseVersion, type Version } from '../common/version.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { readBaseTables } from './base.ts';
import {
  changesBetween,
  checkResult,
  checkSet,
  handlerLines,
  handlerTable,
  type Piece,
  pluginOf,
  pluginTable,
  removedKeysIn,
  shimIsType,
} from './containerd.ts';
import { editedPieces } from './edits.ts';
import { type Inputs, readInputs } from './inputs.ts';
import { keepAltered, lookForInputMarks, sortWanted } from './marks.ts';
import { pendingTemplates } from './pendingTemplates.ts';
import { type Place, placesFor } from './placement.ts';
import { runtimesIn, templateName, textAfter } from './rendered.ts';
import { dataDirOf } from './settings.ts';
import { refuseTraps } from './traps.ts';
import type { Distribution } from './types.ts';

/** See `Engine.plan`: everything starts from what the inputs of the program are now, and from what it made of them at its last start. */
export async function planRancher(
  of: Distribution,
  host: HostView,
  instance: Instance,
  wanted: WantedHandler[],
  recorded?: Wiring,
): Promise<WiringPlan> {
  checkWanted(wanted);
  const seen = await lookForInputMarks(host, recorded);
  const findings = findingsOf(seen);
  const patterns = ['config-v3', 'config'].map((name) => `${posix.dirname(instance.configPath)}/${name}.toml.d/*.toml`);
  if (wanted.length === 0) {
    const dropFolders = [...(recorded?.folders ?? [])].reverse();
    return { changes: await changesBetween(host, seen, [], withoutOurs(seen), patterns), makeFolders: [], dropFolders, findings };
  }
  refuseImage(host, instance);
  const ours = [...wanted, ...(recorded?.handlers ?? [])];
  const altered = seen.some((one) => one.state === 'altered');
  const tables = await readBaseTables(host, of, instance);
  let pending: Finding[] = [];
  const inputs = await readInputs(host, instance, altered ? [] : seen, ours, (now) => {
    refuseTraps(now, tables);
    pending = pendingTemplates(now, instance, tables);
  });
  if (altered) return keepAltered(instance, inputs, wanted, findings, recorded!);
  checkSet(inputs.set, instance, host);
  // As for plain containerd: a node that was wired keeps its handlers. Drop-ins are read as they are, and no program fills them in.
  if (recorded === undefined) refuseTemplates(inputs.set.files.filter(({ real }) => real !== inputs.rendered?.real));
  const version = parseVersion(instance.version);
  const { missing, present } = sortWanted(inputs, wanted, version);
  const places = missing.length === 0 ? [] : await placesFor(host, instance, inputs);
  const pieces = places.flatMap((place) => piecesFor(place, missing, version, seen));
  const files = pieces.filter((piece) => piece.mark.kind === 'file');
  await refuseForeignFiles(
    host,
    files.map((piece) => piece.mark.path),
    seen,
  );
  const after: Overlay = new Map<HostPath, string | 'absent'>([
    ...withoutOurs(seen),
    ...pieces.map((piece) => [piece.mark.path, piece.after] as const),
  ]);
  const changes = await changesBetween(host, seen, pieces, after, patterns);
  await checkRendered(host, instance, inputs, after, pieces, wanted);
  const { makeFolders, folders, kept } = await foldersOf(host, instance, pieces, recorded);
  return {
    wiring: { ...wiringOf(instance, wanted, places, inputs), marks: pieces.map((piece) => piece.mark), folders },
    changes,
    makeFolders,
    dropFolders: kept.filter((folder) => !folders.includes(folder)).reverse(),
    findings: [
      ...findings,
      ...present,
      ...pending,
      ...removedKeysIn(textsOfSchema3(inputs), version),
      ...(changes.length > 0 && places.at(-1)?.kind === 'drop-in' ? [olderReleases(instance)] : []),
    ],
  };
}

function wiringOf(
  instance: Instance,
  handlers: WantedHandler[],
  places: readonly Place[],
  { set }: Inputs,
): Omit<Wiring, 'marks' | 'folders'> {
  const { engine, configPath, unit, binary } = instance;
  const place = places.at(-1);
  return {
    engine,
    configPath,
    unit,
    binary,
    method: place?.kind ?? 'present',
    handlers,
    key: wiringKey(instance, handlers, place?.schema ?? set.schema ?? 0, shimIsType(parseVersion(instance.version))),
  };
}

/** What the administrator wrote: the rendered file is the program's own, and is written again by the release that is installed. */
function textsOfSchema3({ active, set, rendered }: Inputs): { path: HostPath; value: TomlTable }[] {
  const dropIns = set.files.filter(({ real, schema }) => real !== rendered?.real && (schema ?? set.schema ?? 0) >= 3);
  return [...(active?.schema === 3 ? [active] : []), ...dropIns].flatMap(({ path, doc }) =>
    doc === undefined ? [] : [{ path, value: doc.value }],
  );
}

function piecesFor(place: Place, missing: readonly WantedHandler[], version: Version | undefined, seen: readonly SeenMark[]): Piece[] {
  const plugin = pluginOf(place.schema);
  const tables = pluginTable(plugin, Object.fromEntries(missing.map((handler) => [handler.name, handlerTable(handler, version)])));
  return editedPieces(place, { lines: missing.flatMap((handler) => ['', ...handlerLines(handler, plugin, version)]), tables }, seen);
}

/** Which release began to import the folder cannot be read from a program that has yet to render: only a start of it shows. */
function olderReleases({ engine, renderer, configPath }: Instance): Finding {
  const title = renderer?.title ?? engine;
  return {
    code: 'engine-older-release',
    level: 'info',
    subject: title,
    found: `${title} reads the drop-in because this release imports its folder. A release that does not (before March 2026) has no handler of Kata from its first start on, and pods of runc run.`,
    needed: `Nothing with this release and newer ones; after a downgrade, one more boot: the boot guard sees ${configPath} and puts the handlers into a template.`,
    next: 'Nothing now. After a downgrade: systemctl reboot',
  };
}

/** An OS image brings no /var to a host that is updated to it. */
function refuseImage(host: HostView, { configPath, renderer }: Instance): void {
  if (!host.image || !configPath.startsWith('/var/')) return;
  throw unsupported(
    configPath,
    `${renderer?.title} reads its templates and drop-ins below /var, and the /var of an OS image does not come to hosts that are updated to it.`,
    'A data folder that is not below /var, or an installation on the host itself.',
    'Install at the first boot instead: kata-sysext generate --help',
  );
}

/** Loads the files as containerd will, with the configuration as it will be rendered. Before a first start there is none to look at. */
async function checkRendered(
  host: HostView,
  instance: Instance,
  { rendered, isOlder, set, base, templates }: Inputs,
  after: Overlay,
  pieces: readonly Piece[],
  wanted: WantedHandler[],
): Promise<void> {
  if (rendered === undefined || isOlder) return;
  const user = templates.find(({ schema }) => schema === rendered.schema);
  const name = templateName(rendered.schema);
  const piece = pieces.find(({ mark }) => mark.path === user?.real || posix.basename(mark.path) === name);
  const was = user === undefined ? {} : runtimesIn(user.text, user.path, []);
  const is = piece === undefined ? was : runtimesIn(piece.after, piece.mark.path, [piece.mark.text]);
  const overlay = new Map([...base, ...after, [rendered.real, textAfter(rendered.text, rendered.real, was, is)] as const]);
  await checkResult(host, instance, overlay, set, {}, wanted, undefined);
}

async function foldersOf(
  host: HostView,
  { configPath }: Instance,
  pieces: readonly Piece[],
  recorded: Wiring | undefined,
): Promise<{ makeFolders: WiringPlan['makeFolders']; folders: HostPath[]; kept: HostPath[] }> {
  const kept = recorded?.folders ?? [];
  const missing = await missingFolders(
    host,
    pieces.map((piece) => piece.mark.path),
  );
  // As the programs make them: what is below `agent` is for root alone.
  const agent = `${dataDirOf(configPath) ?? ''}/agent`;
  const makeFolders = missing.map(({ path, mode }) => ({ path, mode: path === agent ? 0o700 : mode }));
  const folders = [
    ...kept.filter((folder) => pieces.some((piece) => piece.mark.path.startsWith(`${folder}/`))),
    ...makeFolders.map(({ path }) => path),
  ];
  return { makeFolders, folders, kept };
}
