import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { generator } from '../random.ts';
import { run } from '../run.ts';
import { removeStorage } from '../storage.ts';
import type { Recording } from './recording.ts';
import { type Cut, durableAt, type LoggedWrite, type WriteLog } from './writeLog.ts';

/** One cut, played: a raw disk of its own that may be mounted, written to and booted. */
export interface Played {
  cut: Cut;
  image: string;
}

const PIECE = 4096;

/**
 * Plays a recording to each of the cuts and hands the disk to `judge`, in the order of the log: one image goes forward, and each cut is a
 * reflinked copy of it on a file system of the lab's own, which costs next to nothing. The folder is made, and gone afterwards.
 */
export async function replay(
  recording: Recording,
  cuts: readonly Cut[],
  folder: string,
  judge: (played: Played) => Promise<void>,
): Promise<void> {
  const scratch = await makeScratch(folder);
  const [front, image] = [join(scratch, 'front.raw'), join(scratch, 'cut.raw')];
  try {
    await run(['cp', '--sparse=always', recording.base, front], { timeoutMs: 900_000 });
    let done = 0;
    for (const cut of [...cuts].sort((a, b) => a.at - b.at)) {
      const durable = durableAt(recording.log, cut.at);
      await apply(recording.log, front, recording.log.entries.slice(done, durable));
      done = durable;
      await run(['cp', '--reflink=always', front, image]);
      await apply(recording.log, image, reaching(recording.log.entries.slice(durable, cut.at), cut.lose));
      await judge({ cut, image });
      await rm(image);
    }
  } finally {
    await removeStorage(folder);
  }
}

/** Mounts the disk and looks in: at the deployment that would boot by default, with `/var` and `/sysroot` where it has them. */
export async function insideDisk<T>(image: string, work: (root: string, sysroot: string) => Promise<T>): Promise<T> {
  const mount = `${image}.mount`;
  await mkdir(mount, { recursive: true });
  try {
    await run(['sh', '-ec', 'mount -o loop "$1" "$2" 2>/dev/null || mount -o loop,nouuid "$1" "$2"', 'sh', image, mount]);
    const root = await defaultDeployment(mount);
    await run(['mount', '--bind', join(mount, 'ostree/deploy/debian/var'), join(root, 'var')]);
    await run(['mount', '--bind', mount, join(root, 'sysroot')]);
    return await work(root, mount);
  } finally {
    await unmount(mount);
  }
}

// a mount that does not go is never deleted through: rmdir takes only an empty folder
async function unmount(mount: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const ran = await run(['umount', '-R', mount], { allowFailure: true });
    if (ran.code === 0 || !/busy/.test(ran.stderr)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await rmdir(mount);
}

/** Throws what e2fsck or xfs_repair finds wrong on a disk whose journal was replayed by a mount. */
export async function checkDisk(image: string, fileSystem: 'ext4' | 'xfs' = 'ext4'): Promise<void> {
  await run(fileSystem === 'ext4' ? ['e2fsck', '-fn', image] : ['xfs_repair', '-n', '-f', image], { timeoutMs: 900_000 });
}

async function defaultDeployment(mount: string): Promise<string> {
  const loader = join(mount, 'boot/loader/entries');
  const texts = await Promise.all((await readdir(loader)).map(async (name) => await readFile(join(loader, name), 'utf8')));
  const newest = texts.sort((a, b) => versionOf(b) - versionOf(a))[0] ?? '';
  const link = /\bostree=(\S+)/.exec(newest)?.[1] ?? '';
  return (await run(['realpath', join(mount, link)])).stdout.trim();
}

function versionOf(entry: string): number {
  return Number(/^version (\d+)/m.exec(entry)?.[1] ?? 0);
}

/** What of the writes since the last flush had reached the disk. */
function reaching(entries: LoggedWrite[], lose: Cut['lose']): LoggedWrite[] {
  if (lose === 'none') return entries;
  if (lose === 'all') return entries.filter((entry) => entry.forced);
  const next = generator(lose);
  return entries.flatMap((entry) => {
    const fate = entry.forced ? 0 : next() % 3;
    if (fate === 0) return [entry];
    if (fate === 1) return [];
    return pieces(entry).filter(() => next() % 2 === 0);
  });
}

function pieces(entry: LoggedWrite): LoggedWrite[] {
  return Array.from({ length: Math.ceil(entry.length / PIECE) }, (_, index) => ({
    ...entry,
    offset: entry.offset + index * PIECE,
    data: entry.data + index * PIECE,
    length: Math.min(PIECE, entry.length - index * PIECE),
  }));
}

async function apply(log: WriteLog, image: string, entries: readonly LoggedWrite[]): Promise<void> {
  const [from, onto] = [await open(log.file, 'r'), await open(image, 'r+')];
  try {
    for (const entry of entries) if (entry.kind === 'write') await copy(from, onto, entry);
  } finally {
    await from.close();
    await onto.close();
  }
}

async function copy(from: FileHandle, onto: FileHandle, entry: LoggedWrite): Promise<void> {
  const bytes = Buffer.allocUnsafe(entry.length);
  await from.read(bytes, 0, entry.length, entry.data);
  await onto.write(bytes, 0, entry.length, entry.offset);
}

/** xfs in a sparse file: any machine of ours has it in its kernel, and its copies share blocks. */
async function makeScratch(folder: string): Promise<string> {
  if (existsSync(folder)) throw new Error(`${folder} is there already`);
  const [file, scratch] = [join(folder, 'scratch.xfs'), join(folder, 'scratch')];
  await mkdir(scratch, { recursive: true });
  await run(['truncate', '-s', '40G', file]);
  await run(['mkfs.xfs', '-q', '-m', 'reflink=1', file]);
  await run(['mount', '-o', 'loop', file, scratch]);
  return scratch;
}
