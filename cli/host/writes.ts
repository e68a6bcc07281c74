import { constants, createWriteStream, readFileSync } from 'node:fs';
import { appendFile, chmod, lstat, lutimes, mkdir, open, readdir, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ownProperties } from '../documents/index.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { holdFolder, openFolderAt, syncAt, withFolders } from './held.ts';
import { runProgram } from './programs.ts';
import { openView } from './reads.ts';
import { O_PATH, openRegular, piecesOf, unfit } from './regular.ts';
import { knowsType, readLabels, relabel, setLabels } from './relabel.ts';
import { steady } from './steady.ts';
import type { FileMeta, HeldFolder, Host, HostAs, HostPath, HostView } from './types.ts';

/** The name of a new file or link until it is renamed into place. */
export function tempPathFor(path: string): string {
  return `${posix.dirname(path)}/.${posix.basename(path)}.kata-sysext`;
}

/**
 * The whole port. Every change is on the disk when its call returns: content first, then the folder that names it. It is made through
 * descriptors of the folders, into which no link leads: a folder that is swapped for a link meanwhile changes nothing outside the root.
 */
export function openHost(root: string, env: Readonly<Record<string, string | undefined>>, as: HostAs = {}): Host {
  const view = openView(root, env, as);
  return { ...view, ...fileWrites(view), ...treeWrites(view), ...labelWrites(view), failpoint: failpoints(env) };
}

type InFolder = <T>(path: HostPath, work: (at: string, folder: HeldFolder) => Promise<T>) => Promise<T>;

function fileWrites(view: HostView): Pick<Host, 'writeFile' | 'replaceFile' | 'copyIn'> {
  const at: InFolder = (path, work) => inFolder(view, path, work);
  return {
    writeFile: (path, bytes, meta, via = tempPathFor(path)) =>
      at(via, (temporary) =>
        at(path, async (real, folder) => {
          await writeTemporary(temporary, bytes, meta, posix.join(view.root, via));
          await rename(temporary, real);
          await folder.sync();
        }),
      ),
    replaceFile: (path, bytes, via, like = path) =>
      at(via, (temporary) =>
        at(path, async (real, folder) => {
          await writeTemporary(temporary, bytes, { mode: 0o600 }, posix.join(view.root, via));
          await at(like, (model) => copyAttributes(model, temporary));
          await syncAt(temporary);
          await rename(temporary, real);
          await folder.sync();
        }),
      ),
    copyIn: (file, path, mode) =>
      at(path, async (real, folder) => {
        await unlink(real).catch(ignoreAbsent);
        // Streamed: the program has a hundred megabytes.
        await pipeline(piecesOf(file, { follow: true }), createWriteStream(real, { flags: 'wx', mode: 0o600 }));
        const made = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW);
        await made
          .chmod(mode)
          .then(() => made.sync())
          .finally(() => made.close());
        await folder.sync();
      }),
  };
}

function treeWrites(view: HostView): Omit<Host, keyof HostView | 'writeFile' | 'replaceFile' | 'copyIn' | LabelWrite | 'failpoint'> {
  const at: InFolder = (path, work) => inFolder(view, path, work);
  return {
    mkdir: (path, mode) =>
      at(path, async (real, folder) => {
        await mkdir(real, { mode });
        const made = await openFolderAt(real);
        // mkdir's mode went through the umask
        await made.chmod(mode).finally(() => made.close());
        await folder.sync();
      }),
    symlink: (path, target) =>
      at(path, async (real, folder) => {
        const temporary = tempPathFor(real);
        await unlinkTemporary(temporary, posix.join(view.root, tempPathFor(path)));
        await symlink(target, temporary);
        await rename(temporary, real);
        await folder.sync();
      }),
    rename: (from, to) =>
      at(from, (a, source) =>
        at(to, async (b, target) => {
          await rename(a, b);
          await target.sync();
          if (posix.dirname(from) !== posix.dirname(to)) await source.sync();
        }),
      ),
    setModified: (path, modifiedMs) => at(path, (real) => lutimes(real, new Date(modifiedMs), new Date(modifiedMs))),
    unlink: (path) => removed(view, path, unlink),
    rmdir: (path) => removed(view, path, (at) => rmdir(at)),
    removeTree: (path) => removed(view, path, (at, folder) => removeTree(at, mountOf(folder.fd), path)),
    syncTree: (path) => at(path, syncTree),
    syncFileSystem: async (path) => {
      await runProgram('sync', ['--file-system', await view.locate(path)]);
    },
    hold: async (path) => holdFolder(view.root, await view.realpath(path)),
    steady: (paths, work) => steady(view, paths, work),
  };
}

type LabelWrite = 'relabel' | 'labels' | 'setLabels' | 'knowsType';

function labelWrites(view: HostView): Pick<Host, LabelWrite> {
  return {
    relabel: (paths) => relabel(view, paths),
    labels: (folder) => readLabels(view, folder),
    setLabels: (labels) => setLabels(view, labels),
    knowsType: (type) => knowsType(view, type),
  };
}

/** `at`: the path through the held folder that has it; its last component is not followed. */
async function inFolder<T>(view: HostView, path: HostPath, work: (at: string, folder: HeldFolder) => Promise<T>): Promise<T> {
  const place = await view.resolve(path);
  return withFolders(view.root, [posix.dirname(place)], (folder) => work(`${folder.path}/${posix.basename(place)}`, folder));
}

/** What is not there is removed already; a read-only file system refuses even that. */
async function removed(view: HostView, path: HostPath, remove: (at: string, folder: HeldFolder) => Promise<void>): Promise<void> {
  try {
    await inFolder(view, path, async (at, folder) => {
      await remove(at, folder).catch((error: unknown) => unlessAbsent(at, error));
      await folder.sync().catch(ignoreAbsent);
    });
  } catch (error) {
    ignoreAbsent(error);
  }
}

/**
 * Node cannot copy xattrs, ACLs and labels; cp can, in one process (coreutils ≥ 8.17). It gets the two files as descriptors of its own, so
 * that it follows nothing that came into their places meanwhile.
 */
async function copyAttributes(model: string, temporary: string): Promise<void> {
  const from = await openRegular(model);
  // Masked by a link to /dev/null, whose attributes must not be copied.
  if (from === undefined) return;
  try {
    const to = await open(temporary, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const keep = ['--attributes-only', '--preserve=mode,ownership,xattr', '--no-target-directory'];
      await runProgram('cp', [...keep, '/proc/self/fd/3', '/proc/self/fd/4'], { descriptors: [from.fd, to.fd] });
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** A file that an earlier run left there goes; a folder cannot be such a leftover. */
async function unlinkTemporary(path: string, named: HostPath): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (errnoOf(error) === 'EISDIR') throw unfit(named, 'a folder, where a new file is made first', 'nothing there');
    ignoreAbsent(error);
  });
}

async function writeTemporary(path: string, bytes: Buffer | string, given: FileMeta, named: HostPath): Promise<void> {
  const meta = ownProperties(given);
  await unlinkTemporary(path, named);
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

async function syncTree(path: string): Promise<void> {
  const folder = await openFolderAt(path);
  const inside = `/proc/self/fd/${folder.fd}`;
  try {
    for (const entry of await readdir(inside, { withFileTypes: true })) {
      if (entry.isDirectory()) await syncTree(`${inside}/${entry.name}`);
      if (entry.isFile()) await syncAt(`${inside}/${entry.name}`);
    }
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Own walk instead of `rm -r`: it must never follow a link that another program put into the folder, nor reach into what is mounted there.
 * Throws `host-file-unfit` for a mount point, with what is in it untouched. `named`: the whole tree, for people.
 */
async function removeTree(path: string, mount: string | undefined, named: HostPath): Promise<void> {
  const stats = await lstat(path).catch(ignoreAbsent);
  if (stats === undefined) return;
  if (!stats.isDirectory()) return unlink(path).catch(ignoreAbsent);
  if ((stats.mode & 0o700) !== 0o700) await makeOpen(path);
  const folder = await openFolderAt(path);
  try {
    if (mountOf(folder.fd) !== mount) throw mounted(named);
    const inside = `/proc/self/fd/${folder.fd}`;
    for (const name of await readdir(inside)) await removeTree(`${inside}/${name}`, mount, named);
  } finally {
    await folder.close();
  }
  return rmdir(path).catch(ignoreAbsent);
}

/** By its mount, as proc(5) numbers them: a bind mount has the device of what is around it. */
function mountOf(descriptor: number): string | undefined {
  return /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
}

function mounted(path: HostPath): KataError {
  return new KataError('host-file-unfit', {
    subject: path,
    found: `something is mounted on ${path} or below it`,
    needed: 'nothing that is mounted there: a removal would reach into it',
    next: 'findmnt -l; umount what is mounted there',
  });
}

/** A folder that not even its owner may read: by a descriptor that opens nothing, so that no link is followed. */
async function makeOpen(path: string): Promise<void> {
  const folder = await open(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  await chmod(`/proc/self/fd/${folder.fd}`, 0o700).finally(() => folder.close());
}

/** A read-only file system refuses even the removal of what is not there. */
async function unlessAbsent(path: string, error: unknown): Promise<void> {
  if (errnoOf(error) !== 'EROFS' || (await lstat(path).catch(() => undefined)) !== undefined) ignoreAbsent(error);
}

function ignoreAbsent(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

/**
 * A failpoint is a place where specs make the program fail. KATA_SYSEXT_FAILPOINT=NAME=error|kill|pause[@N],… acts at the Nth passing
 * (default the first) of each name; KATA_SYSEXT_FAILPOINT_LOG=FILE appends each name passed. Without these variables a failpoint does nothing.
 */
function failpoints(env: Readonly<Record<string, string | undefined>>): (name: string) => Promise<void> {
  const actions = (env['KATA_SYSEXT_FAILPOINT'] ?? '').split(',').flatMap(actionOf);
  const log = env['KATA_SYSEXT_FAILPOINT_LOG'];
  if (actions.length === 0 && log === undefined) return async () => undefined;
  const passed = new Map<string, number>();
  return async (name) => {
    if (log !== undefined) await appendFile(log, `${name}\n`);
    const nth = (passed.get(name) ?? 0) + 1;
    passed.set(name, nth);
    const action = actions.find((each) => each.name === name && each.nth === nth);
    if (action?.act === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action?.act === 'pause') process.kill(process.pid, 'SIGSTOP');
    if (action?.act === 'error') {
      throw new KataError('failed', {
        subject: name,
        found: `the failpoint ${name} was asked to fail`,
        needed: 'no failpoint',
        next: 'unset KATA_SYSEXT_FAILPOINT',
      });
    }
  };
}

function actionOf(text: string): { name: string; act: string; nth: number }[] {
  const [, name, act, nth] = /^([\w:./-]+)=(error|kill|pause)(?:@(\d+))?$/.exec(text) ?? [];
  return name === undefined || act === undefined ? [] : [{ name, act, nth: Number(nth ?? 1) }];
}
