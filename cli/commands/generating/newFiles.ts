import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, KataError } from '../../errors/index.ts';
import type { Generated, OutputKind, Source } from '../../generate/index.ts';
import { type Digest, digestOf, digestOfFile, piecesOf } from '../../host/index.ts';
import { bytes } from '../../output/index.ts';
import type { Reply } from '../types.ts';

/**
 * Writes files that were generated into a folder, which is made where it is missing. A file that is there with these very bytes stays;
 * one with others, or anything else of that name, is never replaced, and then nothing is written. No link in the folder is followed. Throws `usage`.
 */
export async function writeNew(folder: string, files: { name: string; text: string }[]): Promise<void> {
  await saying(folder, async () => {
    await mkdir(folder, { recursive: true });
    const missing: typeof files = [];
    for (const file of files) if (!(await isThere(join(folder, file.name), digestOf(file.text)))) missing.push(file);
    for (const { name, text } of missing) await putNew(folder, name, (file) => file.writeFile(text));
  });
}

/** The same for a large file. Throws `usage`. */
export async function copyNew(folder: string, { name, file, digest }: { name: string; file: string; digest: Digest }): Promise<void> {
  await saying(join(folder, name), async () => {
    if (await isThere(join(folder, name), digest)) return;
    await putNew(folder, name, async (onto) => {
      for await (const piece of piecesOf(file)) await onto.writeFile(piece);
    });
  });
}

/** Whether the file is there with these bytes. Throws `usage` where something else has its name. */
async function isThere(path: string, digest: Digest): Promise<boolean> {
  const stat = await lstat(path).catch(absent);
  if (stat === undefined) return false;
  if (!stat.isFile()) throw refused(path, stat.isSymbolicLink() ? 'is a link' : 'is there already, and is no file');
  if ((await digestOfFile(path, {})) === digest) return true;
  throw refused(path, 'is there already, with other bytes');
}

/**
 * A file gets its name once it is whole, and only if nothing has that name. Until then it has a new, random name: other users may write to
 * the folder as well.
 */
async function putNew(folder: string, name: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const [whole, part] = [join(folder, name), join(folder, `.${name}.${randomBytes(12).toString('hex')}`)];
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const file = await open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
  try {
    await write(file);
    await file.sync();
    await link(part, whole).catch((error: unknown) => orRenamed(error, part, whole));
  } finally {
    await file.close();
    await rm(part, { force: true });
  }
}

/** File systems without hard links (vfat) get the name by a rename, which replaces: what came meanwhile is looked for once more. */
async function orRenamed(error: unknown, part: string, whole: string): Promise<void> {
  if (errnoOf(error) === 'EEXIST') throw refused(whole, 'came there meanwhile');
  if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(errnoOf(error) ?? '')) throw error;
  if ((await lstat(whole).catch(absent)) !== undefined) throw refused(whole, 'came there meanwhile');
  await rename(part, whole);
}

async function saying(place: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof KataError) throw error;
    throw refused(place, `cannot be written: ${errno}`, error);
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
    needed: 'a folder that can be written, without anything else of these names',
    next: 'choose another folder with -o',
    cause,
  });
}

/** A file that was written. */
interface Made {
  name: string;
  sizeBytes: number;
  digest: Digest;
}

export function asMade(file: Generated): Made {
  return { name: file.name, sizeBytes: Buffer.byteLength(file.text), digest: digestOf(file.text) };
}

/** What was made, and what has to be put where. */
export function reply(kind: OutputKind, target: string, folder: string, files: Made[], sources: Source[]): Reply {
  return {
    kind: 'Files',
    made: true,
    body: { output: kind, target, folder, files, sources },
    text: [
      ...files.map(({ name, sizeBytes }) => `✓ ${folder}/${name} · ${bytes(sizeBytes)}`),
      kind === 'containerfile' ? 'Put beside them, unchanged:' : 'The nodes fetch, and take no other bytes:',
      ...sources.map(({ name, url, digest }) => `  ${url ?? name} · ${digest}`),
    ],
  };
}
