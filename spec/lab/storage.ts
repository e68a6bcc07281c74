import { existsSync } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { labFolder } from './cache.ts';
import { run } from './run.ts';

/** What a file of a lab host is before boot: its bytes, where a symlink points, or a copy of a file of the machine. */
export type Content = string | { link: string } | { copy: string } | { text: string; mode: number };

export interface Storage {
  folder: string;
  /** the host's own root as the machine sees it */
  root: string;
}

export function hostsFolder(): string {
  return join(labFolder(), 'hosts');
}

/**
 * The disk of one host: an ext4 of its own in memory, so that /etc and /var lie on a journaled file system with every xattr, a
 * sync costs nothing and the end is one umount; /usr is the suite's, bound read-only. No overlay anywhere below: systemd-sysext
 * and containerd's snapshots stack as deep as on a real host.
 */
export async function makeStorage(name: string, debian: string, usr = join(debian, 'usr')): Promise<Storage> {
  const folder = join(hostsFolder(), name);
  const root = join(folder, 'memory/root');
  await mkdir(join(folder, 'memory'), { recursive: true });
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'kata-sysext-lab', join(folder, 'memory')]);
  const image = join(folder, 'memory/disk.ext4');
  await mkdir(root);
  await run(['truncate', '-s', '6G', image]);
  await run(['mkfs.ext4', '-q', '-F', '-L', 'lab', '-m', '0', image]);
  await mountLoop(image, root);
  const names = (await readdir(debian)).filter((entry) => !['usr', 'proc', 'sys', 'dev', 'run', 'tmp'].includes(entry));
  await run(['cp', '-a', ...names.map((entry) => join(debian, entry)), `${root}/`]);
  for (const entry of ['usr', 'proc', 'sys', 'dev', 'run']) await mkdir(join(root, entry));
  await mkdir(join(root, 'tmp'));
  await run(['chmod', '1777', join(root, 'tmp')]);
  await rm(join(root, 'lost+found'), { recursive: true, force: true });
  await bindReadOnly(usr, join(root, 'usr'));
  return { folder, root };
}

// several labs at once race for the same free device
async function mountLoop(image: string, onto: string): Promise<void> {
  for (let round = 0; ; round++) {
    const ran = await run(['mount', '-t', 'ext4', '-o', 'loop', image, onto], { allowFailure: true });
    if (ran.code === 0) return;
    if (round === 9) throw new Error(`mount of ${basename(image)}: ${ran.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
  }
}

async function bindReadOnly(from: string, onto: string): Promise<void> {
  await run(['mount', '--bind', from, onto]);
  await run(['mount', '-o', 'remount,bind,ro', onto]);
}

/** Writes files of the host before its boot, whatever stood there; /usr is bound read-only and takes none. */
export async function writeFiles(root: string, files: Record<string, Content>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    if (/^\/(usr|bin|sbin|lib)\//.test(path)) throw new Error(`${path}: /usr of a lab host is read-only`);
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true });
    await rm(target, { force: true });
    if (typeof content === 'string') await writeFile(target, content);
    else if ('link' in content) await symlink(content.link, target);
    else if ('copy' in content) await copyFile(content.copy, target);
    else await writeFile(target, content.text, { mode: content.mode });
  }
}

/** Binds folders or files of the machine into the root, read-only. */
export async function bindInto(root: string, binds: Record<string, string>): Promise<void> {
  for (const [from, inside] of Object.entries(binds)) {
    const onto = join(root, inside);
    if ((await lstat(from)).isDirectory()) await mkdir(onto, { recursive: true });
    else if (!existsSync(onto)) {
      await mkdir(dirname(onto), { recursive: true });
      await writeFile(onto, '');
    }
    await bindReadOnly(from, onto);
  }
}

/** Unmounts all that is mounted below the folder, deepest first, and then deletes it; never deletes below a mount. */
export async function removeStorage(folder: string): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const mounts = await mountsBelow(folder);
    if (mounts.length === 0) break;
    for (const target of mounts.reverse()) await run(['umount', ...(round > 90 ? ['-l'] : []), target], { allowFailure: true });
    if ((await mountsBelow(folder)).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  if ((await mountsBelow(folder)).length > 0) throw new Error(`still mounted below ${folder}`);
  if (existsSync(folder)) await run(['rm', '-rf', '--one-file-system', folder]);
}

async function mountsBelow(folder: string): Promise<string[]> {
  const targets = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  return targets.filter((target) => target.startsWith(`${folder}/`));
}
