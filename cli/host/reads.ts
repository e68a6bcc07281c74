import { createHash } from 'node:crypto';
import { constants, type Stats, statSync } from 'node:fs';
import { access, lstat, readdir, readlink, stat, statfs } from 'node:fs/promises';
import { posix } from 'node:path';
import { errnoOf } from '../errors/index.ts';
import { connectSystemd } from '../systemd/index.ts';
import type { Systemd } from '../systemd/types.ts';
import { runHelper } from './helper.ts';
import { labelsOf } from './labelsOf.ts';
import { findProgram, runProgram } from './programs.ts';
import { digestOfFile, readHead, readRegular, unfit } from './regular.ts';
import { resolveInside } from './rooted.ts';
import { watchProgram } from './runWatched.ts';
import type { Digest, FileSystem, HostAs, HostView, Stat } from './types.ts';

const absent = ['ENOENT', 'ENOTDIR'];

/** The reading half of the port for the tree at `root` ('/' is the live host, unless `as` says that it is an image). */
export function openView(given: string, env: Readonly<Record<string, string | undefined>>, as: HostAs = {}): HostView {
  const own = isOwnRoot(given);
  const booted = own && as.image === undefined;
  const live = booted && as.starting !== true;
  const root = own ? '/' : given;
  const resolve = (path: string, followLast: boolean) => resolveInside(root, moved(path, as.image), followLast);
  const locate = async (path: string) => posix.join(root, await resolve(path, false));
  const follow = async (path: string) => posix.join(root, await resolve(path, true));
  let bus: Promise<Systemd | undefined> | undefined;
  let early: Promise<Systemd | undefined> | undefined;
  const view: HostView = {
    root,
    live,
    booted,
    image: as.image !== undefined,
    env,
    now: () => new Date(),
    locate,
    resolve: (path) => resolve(path, false),
    realpath: (path) => resolve(path, true),
    lstat: async (path) => shape(await orAbsent(lstat(await locate(path)))),
    stat: async (path) => shape(await orAbsent(stat(await follow(path)))),
    readFile: async (path, kind) => readRegular(await follow(path), kind),
    readText: async (path, kind) => (await orAbsent(asFile(await follow(path), (real) => readRegular(real, kind))))?.toString(),
    readHead: async (path, bytes) => orAbsent(asFile(await follow(path), (real) => readHead(real, bytes))),
    readlink: async (path) => orAbsent(readlink(await locate(path)), ['EINVAL']),
    readdir: async (path) => ((await orAbsent(readdir(await follow(path)))) ?? []).sort(byBytes),
    digest: async (path) => orAbsent(asFile(await follow(path), (real) => digestOfFile(real, {}))),
    labelsOf: (paths) => labelsOf(view, paths),
    canWrite: async (path) =>
      access(await follow(path), constants.W_OK).then(
        () => true,
        (error: unknown) => errnoOf(error) !== 'EROFS',
      ),
    freeBytes: async (path) => {
      let at = await follow(path);
      while ((await orAbsent(stat(at))) === undefined && at !== '/') at = posix.dirname(at);
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    },
    fileSystem: async (path) => fileSystemAt(root, await follow(path)),
    run: (program, args, options) => runProgram(program, args, options),
    watch: (path, args, options) => watchProgram(path, args, options),
    helper: (program, options) => runHelper(program, options),
    has: async (program) => (await findProgram(program)) !== undefined,
    systemd: () => {
      bus ??= live ? connectSystemd(env) : Promise.resolve(undefined);
      return bus;
    },
    manager: () => {
      if (live || !booted) return view.systemd();
      early ??= connectSystemd(env, { bus: false });
      return early;
    },
    close: async () => {
      for (const open of [bus, early]) (await open?.catch(() => undefined))?.close();
    },
  };
  return view;
}

/** Reading a folder as a file fails as a pipe or a device does. */
async function asFile<T>(real: string, read: (real: string) => Promise<T>): Promise<T> {
  try {
    return await read(real);
  } catch (error) {
    throw errnoOf(error) === 'EISDIR' ? unfit(real, 'a folder', 'a regular file') : error;
  }
}

function moved(path: string, image: HostAs['image']): string {
  if (image === undefined || (path !== image.from && !path.startsWith(`${image.from}/`))) return path;
  return `${image.to}${path.slice(image.from.length)}`;
}

/** The subvolumes of a btrfs have device numbers of their own, and one pool of blocks. */
const btrfsMagic = 0x9123683e;

async function fileSystemAt(root: string, real: string): Promise<FileSystem> {
  let at = real;
  let there = await orAbsent(stat(at));
  for (; there === undefined && at !== '/'; there = await orAbsent(stat(at))) at = posix.dirname(at);
  const { type, bsize, blocks, bavail, files, ffree } = await statfs(at);
  let point = at;
  while (point !== root && point !== '/' && (await orAbsent(stat(posix.dirname(point))))?.dev === there?.dev) point = posix.dirname(point);
  const around = point === root && root !== '/' ? await orAbsent(stat(posix.dirname(root))) : undefined;
  return {
    id: type === btrfsMagic ? `btrfs ${blocks}` : String(there?.dev),
    point: `/${posix.relative(root, point)}`,
    whole: around?.dev !== there?.dev,
    sizeBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    blockBytes: bsize,
    inodes: files,
    freeInodes: ffree,
  };
}

/** By inode: `--root /proc/1/root`, or a link to /, is the live host, and what runs there must be asked. */
function isOwnRoot(root: string): boolean {
  if (root === '/') return true;
  const [there, own] = [statSync(root, { throwIfNoEntry: false }), statSync('/')];
  return there !== undefined && there.ino === own.ino && there.dev === own.dev;
}

export function digestOf(bytes: Buffer | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function orAbsent<T>(promise: Promise<T>, also: string[] = []): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ([...absent, ...also].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function shape(stats: Stats | undefined): Stat | undefined {
  if (stats === undefined) return undefined;
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : 'other',
    sizeBytes: stats.size,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    inode: stats.ino,
    device: stats.dev,
    links: stats.nlink,
    modifiedMs: heldByDate(stats.mtimeMs),
    changedMs: heldByDate(stats.ctimeMs),
  };
}

const farthestMs = 8.64e15;

/** btrfs and tmpfs keep times that no Date can hold. */
function heldByDate(ms: number): number {
  return Math.min(farthestMs, Math.max(-farthestMs, ms));
}
