import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run.ts';

/** The line that a booted guest of the version prints on its console. */
export function marker(version: string): string {
  return `LAB-MARKER ${version}`;
}

/** An initramfs around busybox that prints the marker and powers off. */
export async function initramfs(busybox: string, version: string): Promise<Buffer> {
  return await inFolder(async (folder) => {
    await tree(folder, busybox, version);
    // cpio in --reproducible mode with times of 0 and sorted names: the same bytes each time
    const script =
      'find . -exec touch -h -d @0 {} + && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible -R 0:0 | gzip -1 -n > ../initrd';
    await run(['sh', '-ec', script], { cwd: join(folder, 'root') });
    return await readFile(join(folder, 'initrd'));
  });
}

/** A root image with the same content: real and mountable, for whoever looks into it. */
export async function rootImage(busybox: string, version: string): Promise<Buffer> {
  return await inFolder(async (folder) => {
    await tree(folder, busybox, version);
    await run([
      'mkfs.erofs',
      '-T0',
      '--all-root',
      '-U',
      '00000000-0000-4000-8000-000000000000',
      join(folder, 'image'),
      join(folder, 'root'),
    ]);
    return await readFile(join(folder, 'image'));
  });
}

async function tree(folder: string, busybox: string, version: string): Promise<void> {
  const root = join(folder, 'root');
  for (const name of ['bin', 'dev', 'proc', 'sys', 'etc']) await mkdir(join(root, name), { recursive: true });
  await copyFile(busybox, join(root, 'bin/busybox'));
  await chmod(join(root, 'bin/busybox'), 0o755);
  await symlink('busybox', join(root, 'bin/sh'));
  await writeFile(join(root, 'etc/lab-version'), `${version}\n`);
  await writeFile(join(root, 'init'), INIT.replace('MARKER', marker(version)), { mode: 0o755 });
}

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
echo "MARKER"
/bin/busybox poweroff -f
`;

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lab-guest-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
