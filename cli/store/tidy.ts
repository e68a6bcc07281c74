import type { Digest, Host, HostPath } from '../host/index.ts';
import { readGenerations } from './generations.ts';
import { readJson, writeJson } from './json.ts';
import { generationFolder, generationsFolder, historyFolder, journalFolder, lockFile, manifestsFolder, payloadManifest, scratchFolder, sequenceFile, stagingFolder, stateFolder } from './paths.ts';
import { type PayloadManifest, schema } from './types.ts';

const foldersFile = `${stateFolder}/folders.json`;

interface Folders {
  schema: number;
  /** Folders that did not exist before us, parents first: removed at purge when empty. */
  made: HostPath[];
  /** Payload roots ever used on this host. */
  roots: HostPath[];
}

/** Makes `path` and its missing parents; what is made is noted first, so that purge can take it away again. */
export async function ensureFolder(host: Host, path: HostPath, mode = 0o755): Promise<void> {
  if ((await host.stat(path)) !== undefined) return;
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  await ensureFolder(host, parent);
  if (!path.startsWith(`${stateFolder}/`) && path !== stateFolder) await note(host, (folders) => folders.made.push(path));
  await host.mkdir(path, mode);
}

/** Makes the folders below /var and, for payloads, `root`. */
export async function ensureStore(host: Host, root: HostPath): Promise<void> {
  await ensureFolder(host, generationsFolder);
  await ensureFolder(host, manifestsFolder);
  await ensureFolder(host, historyFolder, 0o700);
  await ensureFolder(host, `${root}/tree`);
  await note(host, (folders) => {
    if (!folders.roots.includes(root)) folders.roots.push(root);
  });
}

export async function dropGeneration(host: Host, number: number): Promise<void> {
  await host.removeTree(generationFolder(number));
}

export async function dropPayload(host: Host, digest: Digest): Promise<void> {
  const manifest = await readJson<PayloadManifest>(host, payloadManifest(digest));
  // The manifest goes first: a tree without one is rubbish that tidy removes, a manifest without a tree would be a lie.
  await host.unlink(payloadManifest(digest));
  if (manifest !== undefined) await host.removeTree(manifest.folder);
}

/** Removes what interrupted work left in our own folders: staging, half-made generations, payloads that nothing names. */
export async function tidy(host: Host): Promise<void> {
  const { roots } = await folders(host);
  for (const root of roots) await host.removeTree(stagingFolder(root));
  await host.removeTree(scratchFolder);
  for (const name of await host.readdir(generationsFolder)) {
    const record = await readJson<{ schema: number; state: string }>(host, `${generationsFolder}/${name}/record.json`);
    if (record === undefined || record.state === 'preparing') await host.removeTree(`${generationsFolder}/${name}`);
  }
  const wanted = new Set((await readGenerations(host)).map((each) => each.manifest.payload.slice('sha256:'.length)));
  for (const name of await host.readdir(manifestsFolder)) {
    const hex = name.replace(/\.json$/, '');
    if (!wanted.has(hex)) await dropPayload(host, `sha256:${hex}`);
  }
  for (const root of roots) {
    for (const hex of await host.readdir(`${root}/tree`)) if (!wanted.has(hex)) await host.removeTree(`${root}/tree/${hex}`);
  }
}

/** True when nothing of value is in our folders: no generation, no history. */
export async function isBare(host: Host): Promise<boolean> {
  return (await host.readdir(generationsFolder)).length === 0 && (await host.readdir(historyFolder)).length === 0 && (await host.readText(sequenceFile)) === undefined;
}

/**
 * Removes everything of ours below /var and /usr/local, `entry` (the open journal entry, if any) as late as possible, so that an
 * interruption leaves either the entry or a bare store, and the next change goes on. The lock file, still held, goes last.
 */
export async function purgeState(host: Host, entry?: HostPath): Promise<void> {
  const { made, roots } = await folders(host);
  for (const root of roots) await host.removeTree(`${root}/tree`);
  for (const root of roots) await host.removeTree(stagingFolder(root));
  for (const path of [generationsFolder, manifestsFolder, historyFolder, scratchFolder, sequenceFile]) await host.removeTree(path);
  if (entry !== undefined) await host.removeTree(entry);
  await dropEmpty(host, journalFolder);
  for (const path of [...made].reverse()) if (!stateFolder.startsWith(path)) await dropEmpty(host, path);
  await host.unlink(foldersFile);
  await host.unlink(lockFile);
  await dropEmpty(host, stateFolder);
  for (const path of [...made].reverse()) await dropEmpty(host, path);
}

async function dropEmpty(host: Host, path: HostPath): Promise<void> {
  if ((await host.lstat(path))?.kind === 'directory' && (await host.readdir(path)).length === 0) await host.rmdir(path);
}

async function folders(host: Host): Promise<Folders> {
  return (await readJson<Folders>(host, foldersFile)) ?? { schema, made: [], roots: [] };
}

async function note(host: Host, change: (folders: Folders) => unknown): Promise<void> {
  const now = await folders(host);
  const before = JSON.stringify(now);
  change(now);
  if (JSON.stringify(now) === before) return;
  if ((await host.stat(stateFolder)) === undefined) return;
  await writeJson(host, foldersFile, now);
}
