import { absolutePath, count, listOf, type Shaped, tableOf } from '../documents/shapes.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { readJson, writeJson } from './json.ts';
import { etcFolder, foldersFile, generationsFolder, historyFolder, manifestsFolder, payloadRoot, stateFolder } from './paths.ts';
import { schema } from './types.ts';

export type Folders = Shaped<typeof foldersShape>;
const foldersShape = tableOf({
  schema: count,
  /** Folders that kata-sysext made, parents first: removed when empty once nothing is installed. */
  made: listOf(absolutePath),
  /** Payload roots ever used on this host. */
  roots: listOf(absolutePath),
});

export async function readFolders(host: HostView): Promise<Folders> {
  return (await readJson(host, foldersFile, foldersShape)) ?? (await seenFolders(host));
}

/** Where nothing is noted: nothing before the first installation, and after a loss of the file what its names prove to be kata-sysext's. */
async function seenFolders(host: HostView): Promise<Folders> {
  const roots: HostPath[] = [];
  for (const root of [payloadRoot(true), payloadRoot(false)])
    if ((await host.lstat(`${root}/tree`))?.kind === 'directory') roots.push(root);
  const made = roots.length === 0 ? [] : [...roots.filter((root) => root !== stateFolder), etcFolder];
  return { schema, made, roots };
}

/** Makes `path` and its missing parents; what is made is noted first, so that it can be removed again. */
export async function ensureFolder(host: Host, path: HostPath, mode = 0o755): Promise<void> {
  if ((await host.stat(path)) !== undefined) return;
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  await ensureFolder(host, parent);
  if (!path.startsWith(`${stateFolder}/`) && path !== stateFolder) await noteFolder(host, path);
  await host.mkdir(path, mode);
  await host.relabel([path]);
}

/** Makes the folders below /var and, for payloads, `root`. */
export async function ensureStore(host: Host, root: HostPath): Promise<void> {
  await ensureFolder(host, generationsFolder);
  await ensureFolder(host, manifestsFolder);
  await ensureFolder(host, historyFolder, 0o700);
  await note(host, (folders) => folders.roots, root);
  await ensureFolder(host, `${root}/tree`);
}

/** Remembers a folder that a change is about to make: one that was there before stays at an uninstall. */
export function noteFolder(host: Host, path: HostPath): Promise<void> {
  return note(host, (folders) => folders.made, path);
}

async function note(host: Host, list: (folders: Folders) => HostPath[], path: HostPath): Promise<void> {
  const now = await readFolders(host);
  if (list(now).includes(path)) return;
  list(now).push(path);
  await writeJson(host, foldersFile, foldersShape, now);
}
