import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../errors/index.ts';

/**
 * A file gets its name once it is whole, and only if nothing has that name: else `taken` is thrown. Until then it has a new, random name:
 * other users may write to the folder as well. `write` may read what it wrote.
 */
export async function putNew(path: string, write: (file: FileHandle) => Promise<void>, taken: () => Error): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${randomBytes(12).toString('hex')}`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
  const file = await open(part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
  try {
    await write(file);
    await file.sync();
    await link(part, path).catch((error: unknown) => orRenamed(error, part, path, taken));
  } finally {
    await file.close();
    await rm(part, { force: true });
  }
}

/** File systems without hard links (vfat) get the name by a rename, which replaces: what came meanwhile is looked for once more. */
async function orRenamed(error: unknown, part: string, path: string, taken: () => Error): Promise<void> {
  if (errnoOf(error) === 'EEXIST') throw taken();
  if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(errnoOf(error) ?? '')) throw error;
  if (await isThere(path)) throw taken();
  await rename(part, path);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
