import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, rename, rmdir, symlink, unlink, utimes } from 'node:fs/promises';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ownProperties } from '../documents/index.ts';
import { errnoOf } from '../errors/index.ts';
import { failpoints } from './failpoints.ts';
import { runProgram } from './programs.ts';
import { openView } from './reads.ts';
import { knowsType, readLabels, relabel, setLabels } from './relabel.ts';
import type { FileMeta, Host, HostAs } from './types.ts';

/** Where a new file or link stands until it is renamed into place. */
export function beside(path: string): string {
  return `${posix.dirname(path)}/.${posix.basename(path)}.kata-sysext`;
}

/** The whole port. Every change is on the disk when its call returns: content first, then the folder that names it. */
export function openHost(root: string, env: Readonly<Record<string, string | undefined>>, as: HostAs = {}): Host {
  const view = openView(root, env, as);
  const at = view.locate;
  return {
    ...view,
    failpoint: failpoints(env),
    mkdir: async (path, mode) => {
      const real = await at(path);
      await mkdir(real, { mode });
      await chmod(real, mode); // mkdir's mode went through the umask
      await syncFolder(posix.dirname(real));
    },
    writeFile: async (path, bytes, meta, via) => {
      const real = await at(path);
      const temporary = via === undefined ? beside(real) : await at(via);
      await writeTemporary(temporary, bytes, meta);
      await putInPlace(temporary, real);
    },
    replaceFile: async (path, bytes, via, like = path) => {
      const real = await at(path);
      const temporary = await at(via);
      await writeTemporary(temporary, bytes, { mode: 0o600 });
      // Node cannot copy xattrs, ACLs and labels; cp can, in one process (coreutils ≥ 8.17).
      await runProgram('cp', ['--attributes-only', '--preserve=mode,ownership,xattr', '--no-target-directory', await at(like), temporary]);
      await syncFile(temporary);
      await putInPlace(temporary, real);
    },
    copyIn: async (file, path, mode) => {
      const real = await at(path);
      await unlink(real).catch(ignoreAbsent);
      // Streamed: the program has a hundred megabytes.
      await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), createWriteStream(real, { flags: 'wx', mode: 0o600 }));
      await chmod(real, mode);
      await syncFile(real);
      await syncFolder(posix.dirname(real));
    },
    symlink: async (path, target) => {
      const real = await at(path);
      const temporary = beside(real);
      await unlink(temporary).catch(ignoreAbsent);
      await symlink(target, temporary);
      await putInPlace(temporary, real);
    },
    rename: async (from, to) => {
      const [a, b] = [await at(from), await at(to)];
      await putInPlace(a, b);
      if (posix.dirname(a) !== posix.dirname(b)) await syncFolder(posix.dirname(a));
    },
    setModified: async (path, modifiedMs) => {
      const when = new Date(modifiedMs);
      await utimes(await at(path), when, when);
    },
    unlink: async (path) => {
      const real = await at(path);
      await unlink(real).catch((error: unknown) => unlessAbsent(real, error));
      await syncFolder(posix.dirname(real)).catch(ignoreAbsent);
    },
    rmdir: async (path) => {
      const real = await at(path);
      await rmdir(real).catch((error: unknown) => unlessAbsent(real, error));
      await syncFolder(posix.dirname(real)).catch(ignoreAbsent);
    },
    removeTree: async (path) => {
      const real = await at(path);
      await removeTree(real);
      await syncFolder(posix.dirname(real)).catch(ignoreAbsent);
    },
    relabel: (paths) => relabel(view, paths),
    labels: (folder) => readLabels(view, folder),
    setLabels: (labels) => setLabels(view, labels),
    knowsType: (type) => knowsType(view, type),
    syncTree: async (path) => syncTree(await at(path)),
    syncFileSystem: async (path) => {
      await runProgram('sync', ['--file-system', await at(path)]);
    },
  };
}

async function writeTemporary(path: string, bytes: Buffer | string, given: FileMeta): Promise<void> {
  const meta = ownProperties(given);
  await unlink(path).catch(ignoreAbsent);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.chmod(meta.mode);
    if (meta.uid !== undefined && meta.gid !== undefined) await file.chown(meta.uid, meta.gid);
    await file.sync();
  } catch (error) {
    // On a full disk even what could not be written whole takes room.
    await unlink(path).catch(ignoreAbsent);
    throw error;
  } finally {
    await file.close();
  }
}

async function putInPlace(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(posix.dirname(to));
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

const syncFolder = syncFile;

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) await syncTree(path);
    if (entry.isFile()) await syncFile(path);
  }
  await syncFolder(folder);
}

/** Own walk instead of `rm -r`: it must never follow a link that somebody put into our folder. */
async function removeTree(path: string): Promise<void> {
  let stats: Awaited<ReturnType<typeof lstat>>;
  try {
    stats = await lstat(path);
  } catch (error) {
    return ignoreAbsent(error);
  }
  if (!stats.isDirectory()) return unlink(path).catch(ignoreAbsent);
  if ((stats.mode & 0o700) !== 0o700) await chmod(path, 0o700);
  for (const name of await readdir(path)) await removeTree(`${path}/${name}`);
  return rmdir(path).catch(ignoreAbsent);
}

/** A read-only file system refuses even the removal of what is not there. */
async function unlessAbsent(path: string, error: unknown): Promise<void> {
  if (errnoOf(error) !== 'EROFS' || (await lstat(path).catch(() => undefined)) !== undefined) ignoreAbsent(error);
}

function ignoreAbsent(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
