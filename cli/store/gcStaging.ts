import { deploymentOf } from '../facts/index.ts';
import type { Digest, Host, HostPath, HostView } from '../host/index.ts';
import { hasDeployment } from './deployments.ts';
import { readFolders } from './folders.ts';
import { activeNumber, readGenerations, readManifest, readPayload } from './generations/index.ts';
import { readJson } from './json.ts';
import { dropEmpty, dropTemporaries, ofGeneration, ofPayload, removeOwnFiles } from './ownFiles.ts';
import {
  binFolder,
  cataloguesFolder,
  folderOf,
  foldersFile,
  generationFolder,
  generationsFolder,
  historyFolder,
  imageNumber,
  imageRecords,
  journalFolder,
  lockFile,
  manifestsFolder,
  payloadManifest,
  podFolder,
  programManifest,
  programPath,
  programsFolder,
  requestsFile,
  reservedSpaceFile,
  scratchFolder,
  sequenceFile,
  stagingFolder,
  stateFolder,
} from './paths.ts';
import { wholePayload } from './payload/index.ts';
import { gcPrograms, readPrograms } from './program.ts';
import { type GenerationManifest, generationRecordShape } from './types.ts';

const manifestName = /^([0-9a-f]{64})\.json$/;
const damagedName = /^([0-9a-f]{64})\.damaged$/;
const historyName = /^\d{1,9}\.json$/;

export async function dropGeneration(host: Host, number: number): Promise<void> {
  // The last removal is that of the file which says that there is something to remove.
  for (const folder of await generationFolders(host, number)) await removeOwnFiles(host, folder, ofGeneration);
  await removeOwnFiles(host, generationFolder(number), ofGeneration);
}

/** What a generation may have outside the folder of its manifest. */
export async function generationFolders(host: HostView, number: number): Promise<HostPath[]> {
  const { roots } = await readFolders(host);
  return roots.filter((root) => root !== stateFolder).map((root) => `${root}/generations/${number}`);
}

/** The files go first: the manifest says which they are, so that an interrupted removal can be finished without touching other files. */
export async function dropPayload(host: Host, digest: Digest): Promise<void> {
  const manifest = await readPayload(host, digest);
  if (manifest === undefined) return;
  await removeOwnFiles(host, wholePayload(manifest).folder, ofPayload(manifest));
  await host.unlink(payloadManifest(digest));
}

/**
 * Removes what interrupted work left in kata-sysext's folders: staging, half-made generations, payloads and programs that nothing names.
 */
export async function gcStaging(host: Host): Promise<void> {
  const { roots } = await readFolders(host);
  for (const root of roots) {
    await restoreDamaged(host, `${root}/tree`);
    await host.removeTree(stagingFolder(root));
  }
  for (const name of await host.readdir(journalFolder)) if (/^\d+\.ended$/.test(name)) await host.removeTree(`${journalFolder}/${name}`);
  await host.removeTree(scratchFolder);
  for (const folder of [stateFolder, generationsFolder, manifestsFolder, historyFolder, journalFolder, cataloguesFolder])
    await dropTemporaries(host, folder);
  const named = await gcGenerations(host);
  if (named !== undefined) {
    const wanted = new Set(named.map(({ payload }) => payload));
    for (const name of await host.readdir(manifestsFolder)) {
      const digest: Digest = `sha256:${manifestName.exec(name)?.[1]}`;
      if (manifestName.test(name) && !wanted.has(digest)) await dropPayload(host, digest);
    }
    await gcPrograms(host, new Set(named.map(({ program }) => program)));
  }
  await gcImageRecords(host);
}

/**
 * Removes half-made generations, and gives the manifests of all that stay: what these name stays too. One that lost its record or its
 * manifest is no rubbish: pods may run from its files. undefined where such a one does not say what it needs.
 */
async function gcGenerations(host: Host): Promise<GenerationManifest[] | undefined> {
  const active = await activeNumber(host);
  const whole = await readGenerations(host);
  const staying = whole
    .filter(({ manifest, record }) => manifest.number === imageNumber || record.state !== 'preparing')
    .map(({ manifest }) => manifest);
  let isUnknown = false;
  for (const number of (await host.readdir(generationsFolder)).filter((name) => /^\d{1,9}$/.test(name)).map(Number)) {
    if (staying.some((manifest) => manifest.number === number)) continue;
    const folder = generationFolder(number);
    const record = await readJson(host, `${folder}/record.json`, generationRecordShape);
    const manifest = await readManifest(host, `${folder}/manifest.json`, number);
    const isHalfMade = record === undefined ? manifest === undefined : record.state === 'preparing';
    if (isHalfMade && number !== active) await dropGeneration(host, number);
    else if (manifest !== undefined) staying.push(manifest);
    else isUnknown = true;
  }
  return isUnknown ? undefined : staying;
}

/** Records of what images brought go with the deployments that they speak of, if it is not the one that is booted. */
async function gcImageRecords(host: Host): Promise<void> {
  const now = await deploymentOf(host);
  for (const name of await host.readdir(imageRecords)) {
    const path = `${imageRecords}/${name}`;
    const record = manifestName.test(name) ? await readJson(host, path, generationRecordShape) : undefined;
    const speaksOf = [
      record?.blessed?.deployment,
      ...(record?.tries ?? []).map(({ deployment }) => deployment),
      ...Object.keys(record?.wirings ?? {}),
    ].filter((deployment) => deployment !== undefined);
    if (speaksOf.length === 0 || speaksOf.includes(now)) continue;
    const there = await Promise.all(speaksOf.map((deployment) => hasDeployment(host, deployment)));
    if (!there.includes(true)) await host.unlink(path);
  }
  await dropTemporaries(host, imageRecords);
  await dropEmpty(host, imageRecords);
}

/** A damaged payload that was moved for a new one goes when that is there; else it comes back: better damaged than none. */
async function restoreDamaged(host: Host, folder: HostPath): Promise<void> {
  for (const name of await host.readdir(folder)) {
    const [, hex] = damagedName.exec(name) ?? [];
    if (hex === undefined) continue;
    if ((await host.lstat(`${folder}/${hex}`)) === undefined) await host.rename(`${folder}/${name}`, `${folder}/${hex}`);
    else await host.removeTree(`${folder}/${name}`);
  }
}

/** Removes the history: `uninstall --purge`. The number that was given last goes with it, and what is remembered of requests. */
export async function dropHistory(host: Host): Promise<void> {
  for (const name of await host.readdir(historyFolder)) if (historyName.test(name)) await host.unlink(`${historyFolder}/${name}`);
  await host.unlink(sequenceFile);
  await host.unlink(requestsFile);
  await dropTemporaries(host, historyFolder);
}

/** An image has no journal, no history and no lock: all of them are about the machine that built it. */
export async function dropImageHistory(host: Host): Promise<void> {
  await dropHistory(host);
  for (const folder of [journalFolder, historyFolder]) await dropEmpty(host, folder);
  await host.unlink(lockFile);
}

/**
 * Where no generation is left, kata-sysext's empty folders go, then those that it made elsewhere, and last the lock file, which is still
 * held. The history stays if there is any. Safe to repeat and to interrupt; does nothing on a host where Kata is installed.
 */
export async function removeEmptyDirs(host: Host): Promise<void> {
  if (!(await isVacant(host))) return;
  const { made, roots } = await readFolders(host);
  for (const folder of leftoverFolders(roots)) await dropEmpty(host, folder);
  // A parent folder goes only after its child.
  const above = made.filter((path) => `${stateFolder}/`.startsWith(`${path}/`));
  for (const path of [...made].reverse()) if (!above.includes(path)) await dropEmpty(host, path);
  for (const path of leftoverFiles) await host.unlink(path);
  await dropEmpty(host, stateFolder);
  for (const path of above.reverse()) await dropEmpty(host, path);
  // Where a link pointed at no folder, the state was in one that was made for it.
  for (const path of [...made].reverse()) if (!above.includes(path)) await dropEmpty(host, path);
}

/** kata-sysext's folders that are empty where nothing is installed; the history's may have files. */
export function leftoverFolders(roots: HostPath[]): HostPath[] {
  const inRoots = roots.flatMap((root) => [`${root}/tree`, `${root}/generations`, binFolder(root)]);
  return [...inRoots, generationsFolder, manifestsFolder, programsFolder, journalFolder, historyFolder, cataloguesFolder];
}

/** kata-sysext's files that nothing needs where nothing is installed; last the lock, which is still held. */
export const leftoverFiles = [foldersFile, reservedSpaceFile, lockFile];

/** Nothing is installed, and nothing is open. `without`: as it is once these generations are gone. */
export async function isVacant(host: HostView, without: number[] = []): Promise<boolean> {
  const active = await activeNumber(host);
  // What another installation of a tree has active does not belong to its image.
  const isActive = active !== undefined && !without.includes(active) && (!host.image || active === imageNumber);
  const all = (await readGenerations(host)).map(({ manifest }) => manifest.number).filter((number) => !without.includes(number));
  const generations = all.filter((number) => host.image || number !== imageNumber);
  if (isActive || generations.length > 0) return false;
  return !(await host.readdir(journalFolder)).some((name) => /^\d+$/.test(name));
}

/**
 * Other programs' files in kata-sysext's folders and in `more`, once nothing is installed any more, or only what another deployment points
 * at.
 */
export async function foreignFiles(host: HostView, more: HostPath[]): Promise<HostPath[]> {
  const { roots } = await readFolders(host);
  const all = await Promise.all([...new Set([stateFolder, ...roots, ...more])].map((folder) => filesBelow(host, folder)));
  const named = await known(host);
  return [...new Set(all.flat())].filter(
    (path) => !isHistory(path) && !path.startsWith(`${imageRecords}/`) && !named.some((own) => path === own || path.startsWith(`${own}/`)),
  );
}

/** Files and folders that a manifest of kata-sysext names: they stay in use, or the clean-up removes them at the end of the change. */
async function known(host: HostView): Promise<HostPath[]> {
  const digests = (await host.readdir(manifestsFolder)).flatMap((name): Digest[] => {
    const [, hex] = manifestName.exec(name) ?? [];
    return hex === undefined ? [] : [`sha256:${hex}`];
  });
  const payloads = await Promise.all(digests.map((digest) => readPayload(host, digest)));
  return [
    ...(await readGenerations(host)).flatMap(({ manifest }) => [generationFolder(manifest.number), folderOf(manifest)]),
    ...digests.map(payloadManifest),
    ...payloads.flatMap((payload) => (payload === undefined ? [] : [wholePayload(payload).folder])),
    ...(await readPrograms(host)).flatMap(({ root, version }) => [programManifest(version), programPath(root, version)]),
  ];
}

function isHistory(path: HostPath): boolean {
  if (
    [foldersFile, reservedSpaceFile, lockFile, sequenceFile, requestsFile].includes(path) ||
    path.startsWith(`${podFolder}/`) ||
    path.startsWith(`${journalFolder}/`)
  )
    return true;
  if (path.startsWith(`${cataloguesFolder}/`)) return true;
  return path.startsWith(`${historyFolder}/`) && historyName.test(path.slice(historyFolder.length + 1));
}

/** All paths below `folder` that are no folders. */
export async function filesBelow(host: HostView, folder: HostPath): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const name of await host.readdir(folder)) {
    const path = `${folder}/${name}`;
    if ((await host.lstat(path))?.kind === 'directory') found.push(...(await filesBelow(host, path)));
    else found.push(path);
  }
  return found;
}
