import { backendOf, backendPaths } from '../backends/index.ts';
import { blessings, guardUnits, imageUnits, presetFile } from '../bootGuard/units/index.ts';
import type { TreeEntry } from '../bundle/types.ts';
import type { HostPath, HostView } from '../host/index.ts';
import {
  binFolder,
  etcFolder,
  folderOf,
  type Generation,
  type GenerationManifest,
  generationFolder,
  generationsFolder,
  imageNumber,
  linksOf,
  manifestsFolder,
  marksOf,
  type PayloadManifest,
  payloadManifest,
  pointer,
  programManifest,
  programPath,
  readFolders,
  readPrograms,
  stateFolder,
  wholePayload,
  wiringsOf,
} from '../store/index.ts';
import type { LabelledPlace, LabelUse } from './judge.ts';

const folder = (path: HostPath): LabelledPlace => ({ path, use: 'folder' });
const link = (path: HostPath): LabelledPlace => ({ path, use: 'link' });
/** One that shims and virtual machines follow. */
const usedLink = (path: HostPath): LabelledPlace => ({ path, use: 'link', fallback: 'link' });
const unit = (path: HostPath): LabelledPlace => ({ path, use: 'unit' });
const state = (path: HostPath): LabelledPlace => ({ path, use: 'state' });
const exact = (place: LabelledPlace): LabelledPlace => ({ ...place, exact: true });

/** What pods are started from: the payload as it is stored and as it is seen, the generation's own files, and the way to them. */
export function generationPlaces(manifest: GenerationManifest, payload: PayloadManifest): LabelledPlace[] {
  const own = folderOf(manifest);
  const configurations = manifest.handlers.map(({ name }) => `${own}/config/${name}`);
  return [
    ...payloadPlaces(payload).map(exact),
    ...shownPlaces(manifest, payload),
    ...[own, `${own}/config`, ...configurations].map((path) => exact(folder(path))),
    ...configurations.map((path) => exact({ path: `${path}/configuration.toml`, use: 'data', fallback: 'data' as const })),
    ...linksOf(manifest).map(([path]) => exact(usedLink(path))),
    ...[`${payload.root}/tree`, `${payload.root}/generations`, etcFolder].map(folder),
    link(pointer),
  ];
}

function payloadPlaces(payload: PayloadManifest): LabelledPlace[] {
  const whole = wholePayload(payload);
  return [folder(whole.folder), ...whole.entries.map((entry) => placeOf(`${whole.folder}/${entry.path}`, entry, payload.folder))];
}

/** In an image too: what it has is seen only there. */
function shownPlaces(manifest: GenerationManifest, payload: PayloadManifest): LabelledPlace[] {
  const home = backendOf(manifest.backend).payloadDir(payload.folder);
  if (home === payload.folder || manifest.number === imageNumber) return [];
  return payload.entries.map((entry) => ({ ...placeOf(`${home}/${entry.path}`, entry, home), shown: true as const }));
}

/** `release`: the folder below which files get a fallback where their stock type keeps a virtual machine out, as an install gives it. */
function placeOf(path: HostPath, entry: TreeEntry, release: HostPath): LabelledPlace {
  if (entry.kind === 'directory') return folder(path);
  if (entry.kind === 'symlink') return usedLink(path);
  const runs = (entry.mode & 0o111) !== 0;
  const place = { path, use: useOf(path, runs) };
  return path.startsWith(`${release}/`) ? { ...place, fallback: runs ? 'program' : 'data' } : place;
}

/** Kata's shared libraries and their loader have the mode of programs. */
function useOf(path: HostPath, runs: boolean): LabelUse {
  if (!runs) return 'data';
  return /\.so(\.[^/]*)*$/.test(path) ? 'library' : 'executable';
}

/** Everything else of kata-sysext on the host: program, wiring, units and its own records. */
export async function hostPlaces(host: HostView, { manifest, record }: Generation): Promise<LabelledPlace[]> {
  const { wiring } = record;
  const made = await readFolders(host);
  const records = generationFolder(manifest.number);
  return [
    ...(await programPlaces(host)),
    ...marksOf(wiring).map(({ path, kind }): LabelledPlace => wiringPlace(path, kind)),
    ...[
      ...wiringsOf(wiring).flatMap(({ folders, selinux }) => [...folders, ...(selinux?.folders ?? [])]),
      ...made.made.filter((path) => !path.startsWith(`${stateFolder}/`) && path !== stateFolder),
    ].map(folder),
    ...(await unitPlaces(host, manifest.number)),
    ...(manifest.number === imageNumber ? [] : [stateFolder, generationsFolder, manifestsFolder, records].map(state)),
    ...[`${records}/manifest.json`, `${records}/record.json`, payloadManifest(manifest.payload)].map(state),
  ];
}

function wiringPlace(path: HostPath, kind: 'file' | 'range'): LabelledPlace {
  return kind === 'file' ? { path, use: 'wiring' } : { path, use: 'wiring', foreign: true };
}

async function programPlaces(host: HostView): Promise<LabelledPlace[]> {
  return (await readPrograms(host)).flatMap(({ root, version }): LabelledPlace[] => [
    ...[binFolder(root), binFolder(root, version)].map(folder),
    exact({ path: programPath(root, version), use: 'executable', fallback: 'program' }),
    state(programManifest(version)),
  ]);
}

async function unitPlaces(host: HostView, number: number): Promise<LabelledPlace[]> {
  const guard = number === imageNumber ? imageUnits() : guardUnits(host);
  const { links, units } = await backendPaths(host);
  return [
    ...[...guard.map(({ path }) => path), ...blessings.map(({ file }) => file), ...units].map(unit),
    ...[...guard.map((each) => each.link), ...links].map(link),
    ...blessings.map((each) => folder(each.folder)),
    { path: presetFile, use: 'wiring' },
  ];
}
