import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../run.ts';

/** A boot loader's entry as it lies on the disk, with the kernel and initramfs it names copied out. */
export interface BootEntry {
  title: string;
  options: string;
  kernel: string;
  initrd: string;
}

/** What a boot loader would offer on this raw disk, the default first. The disk is mounted, so that a journal left open is replayed. */
export async function bootEntries(disk: string, folder: string): Promise<BootEntry[]> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run(['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', COPY, 'sh', disk, folder]);
  const entries = join(folder, 'loader/entries');
  const texts = await Promise.all((await readdir(entries)).map((name) => readFile(join(entries, name), 'utf8')));
  return texts
    .map((text) => new Map(text.split('\n').map((line) => [line.split(' ')[0] ?? '', line.replace(/^\S+\s+/, '')])))
    .sort((a, b) => Number(b.get('version')) - Number(a.get('version')))
    .map((entry) => ({
      title: entry.get('title') ?? '',
      options: entry.get('options') ?? '',
      kernel: fileOf(folder, entry.get('linux')),
      initrd: fileOf(folder, entry.get('initrd')),
    }));
}

/** Loader and kernels, links followed; xfs calls for nouuid when a copy of the disk is mounted elsewhere. */
const COPY = `mount -o loop "$1" /mnt 2>/dev/null || mount -o loop,nouuid "$1" /mnt
cp -rL /mnt/boot/loader "$2/loader"; cp -r /mnt/boot/ostree "$2/ostree"; umount /mnt`;

function fileOf(folder: string, path = ''): string {
  const [file, release] = [basename(path), basename(join(path, '..'))];
  return join(folder, 'ostree', release, file);
}
