import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, KataError } from '../../errors/index.ts';
import { type Digest, digestOfFile } from '../../host/index.ts';

/**
 * Writes files that were generated into a folder, which is made where it is missing. A file that is there with these very bytes stays;
 * one with others is never replaced, and then nothing is written. Throws `usage`.
 */
export async function writeNew(folder: string, files: { name: string; text: string }[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const { name, text } of files) {
      const there = await readFile(join(folder, name), 'utf8').catch(absent);
      if (there !== undefined && there !== text) throw refused(join(folder, name), 'is there already, with other bytes');
    }
    for (const { name, text } of files) await writeFile(join(folder, name), text);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof KataError) throw error;
    throw refused(folder, `cannot be written: ${errno}`, error);
  }
}

/** The same for a large file. It gets its name once it is whole: a copy that was broken off would be taken for it. Throws `usage`. */
export async function copyNew(folder: string, { name, file, digest }: { name: string; file: string; digest: Digest }): Promise<void> {
  const [whole, part] = [join(folder, name), join(folder, `.${name}.part`)];
  try {
    const there = await digestOfFile(whole).catch(absent);
    if (there === digest) return;
    if (there !== undefined) throw refused(whole, 'is there already, with other bytes');
    await copyFile(file, part);
    await rename(part, whole);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof KataError) throw error;
    throw refused(whole, `cannot be written: ${errno}`, error);
  }
}

function absent(error: unknown): undefined {
  if (errnoOf(error) === 'ENOENT') return undefined;
  throw error;
}

function refused(subject: string, what: string, cause?: unknown): KataError {
  return new KataError('usage', {
    subject,
    found: `${subject} ${what}`,
    needed: 'a folder that can be written, without other files of these names',
    next: 'choose another folder with -o',
    cause,
  });
}
