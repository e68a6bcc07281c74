import type { Digest, HostPath, HostView } from '../host/index.ts';
import { readFolders } from './folders.ts';
import { generationFolders, leftoverFiles, leftoverFolders } from './gcStaging.ts';
import { readPayload } from './generations/index.ts';
import { ofGeneration, ofPayload, ownPathsBelow } from './ownFiles.ts';
import {
  binFolder,
  generationFolder,
  historyFolder,
  lockFile,
  payloadManifest,
  programManifest,
  programPath,
  reservedSpaceFile,
  sequenceFile,
  stateFolder,
} from './paths.ts';
import { wholePayload } from './payload/index.ts';
import type { ProgramManifest } from './program.ts';

/**
 * The bytes of paths: the `st_size` of files, links and folders themselves, each path once. `du -sb` of newer coreutils leaves out folders.
 * A path that is not there counts nothing. Blocks that are begun, and the bytes of the file system itself, do not count.
 */
export async function bytesOf(host: HostView, paths: HostPath[]): Promise<number> {
  const sizes = await Promise.all([...new Set(paths)].map(async (path) => (await host.lstat(path))?.sizeBytes ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** All that `dropGeneration` takes. */
export async function generationBytes(host: HostView, number: number): Promise<number> {
  const folders = [...(await generationFolders(host, number)), generationFolder(number)];
  return bytesOf(host, (await Promise.all(folders.map((folder) => ownPathsBelow(host, folder, ofGeneration)))).flat());
}

/** All that `dropPayload` takes: the files, and the manifest that names them. */
export async function payloadBytes(host: HostView, digest: Digest): Promise<number> {
  const manifest = await readPayload(host, digest);
  if (manifest === undefined) return 0;
  return bytesOf(host, [...(await ownPathsBelow(host, wholePayload(manifest).folder, ofPayload(manifest))), payloadManifest(digest)]);
}

/** A copy of the program, its folder and its manifest. */
export function programBytes(host: HostView, { root, version }: ProgramManifest): Promise<number> {
  return bytesOf(host, [programPath(root, version), binFolder(root, version), programManifest(version)]);
}

export async function historyBytes(host: HostView): Promise<number> {
  return bytesOf(host, [sequenceFile, ...(await host.readdir(historyFolder)).map((name) => `${historyFolder}/${name}`)]);
}

export function reservedSpaceIn(host: HostView): Promise<number> {
  return bytesOf(host, [reservedSpaceFile]);
}

/**
 * Notes, and folders that are empty once nothing is installed, without the lock: its text, who holds it, is another one for a dry run.
 * `story`: the history stays, and so do the folders around it.
 */
export async function leftovers(host: HostView, { story }: { story: boolean }): Promise<HostPath[]> {
  const { made, roots } = await readFolders(host);
  const around = (path: HostPath) => `${historyFolder}/`.startsWith(`${path}/`);
  const folders = [...leftoverFolders(roots), ...made, stateFolder];
  return [
    ...leftoverFiles.filter((path) => path !== reservedSpaceFile && path !== lockFile),
    ...folders.filter((path) => !story || !around(path)),
  ];
}
