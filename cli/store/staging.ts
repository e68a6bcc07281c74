import { errnoOf } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { readFolders } from './folders.ts';
import { payloadRoot, stagingFolder } from './paths.ts';

/** Files that were unpacked and that no payload has. */
export interface Staging {
  folders: HostPath[];
  /** Not there where the user may not look into the folders. */
  sizeBytes?: number;
}

/** What is in the staging folders now: of the change that runs, else of one that was interrupted. Nothing where they have no file. */
export async function stagingOf(host: HostView): Promise<Staging | undefined> {
  const roots = await usedRoots(host);
  const all = await Promise.all(roots.map(async (root) => ({ folder: stagingFolder(root), sizeBytes: await bytesOf(host, root) })));
  const left = all.filter(({ sizeBytes }) => sizeBytes !== 0);
  if (left.length === 0) return undefined;
  const folders = left.map(({ folder }) => folder);
  if (left.some(({ sizeBytes }) => sizeBytes === undefined)) return { folders };
  return { folders, sizeBytes: left.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0) };
}

/** Who may not read which roots were used looks into all that there are. */
async function usedRoots(host: HostView): Promise<HostPath[]> {
  try {
    return (await readFolders(host)).roots;
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    return [payloadRoot(true), payloadRoot(false)];
  }
}

async function bytesOf(host: HostView, root: HostPath): Promise<number | undefined> {
  try {
    return await bytesBelow(host, stagingFolder(root));
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    return undefined;
  }
}

async function bytesBelow(host: HostView, folder: HostPath): Promise<number> {
  let sum = 0;
  for (const name of await host.readdir(folder)) {
    const stat = await host.lstat(`${folder}/${name}`);
    if (stat?.kind === 'directory') sum += await bytesBelow(host, `${folder}/${name}`);
    else if (stat?.kind === 'file') sum += stat.sizeBytes;
  }
  return sum;
}
