import { mkdir, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../run.ts';

/** Where a VM host has the goods it was booted with. */
export const GOODS = '/mnt/goods';

// the same for all, because a saved state knows the size of each disk
const SIZE = 2 * 1024 ** 3;

/** A read-only disk of files and folders of the machine, by their paths below {@link GOODS}. */
export async function makeGoods(file: string, goods: Record<string, string>): Promise<void> {
  const staged = `${file}.folder`;
  await mkdir(staged, { recursive: true });
  for (const [path, from] of Object.entries(goods)) {
    await mkdir(dirname(join(staged, path)), { recursive: true });
    await run(['cp', '-aL', from, join(staged, path)]);
  }
  await run(['mkfs.erofs', '--quiet', '--all-root', '-x', '-1', file, staged]);
  await truncate(file, SIZE);
  await rm(staged, { recursive: true });
}

/** Inside: one label for all, that of files which a host's own vendor ships. */
export const MOUNT_GOODS = `mkdir -p ${GOODS} && mount -t erofs -o ro,context=system_u:object_r:usr_t:s0 /dev/vdb ${GOODS}`;
