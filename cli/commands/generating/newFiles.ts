import { type FileHandle, lstat, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, KataError } from '../../errors/index.ts';
import type { Generated, OutputKind, Source } from '../../generate/index.ts';
import { type Digest, digestOf, digestOfFile, piecesOf } from '../../host/index.ts';
import { putNew } from '../../host/newFile.ts';
import { bytes } from '../../output/index.ts';
import type { Reply } from '../types.ts';

/**
 * Writes files that were generated into a folder, which is made where it is missing. A file that is there with these very bytes stays;
 * one with others, or anything else of that name, is never replaced, and then nothing is written. No link in the folder is followed. Throws `usage`.
 */
export async function writeNew(folder: string, files: { name: string; text: string }[]): Promise<void> {
  await saying(folder, async () => {
    await mkdir(folder, { recursive: true });
    for (const inner of new Set(files.map(({ name }) => dirname(name)))) await makeInner(folder, inner);
    const missing: typeof files = [];
    for (const file of files) if (!(await isThere(join(folder, file.name), digestOf(file.text)))) missing.push(file);
    for (const { name, text } of missing) await makeFile(folder, name, (file) => file.writeFile(text));
  });
}

/** Folders below the one that was named. */
async function makeInner(folder: string, inner: string): Promise<void> {
  if (inner === '.') return;
  await makeInner(folder, dirname(inner));
  const path = join(folder, inner);
  await mkdir(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error;
  });
  if (!(await lstat(path)).isDirectory()) throw refused(path, 'is there already, and is no folder');
}

/** The same for a large file. Throws `usage`. */
export async function copyNew(folder: string, { name, file, digest }: { name: string; file: string; digest: Digest }): Promise<void> {
  await saying(join(folder, name), async () => {
    if (await isThere(join(folder, name), digest)) return;
    await makeFile(folder, name, async (onto) => {
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

async function makeFile(folder: string, name: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await putNew(join(folder, name), write, () => refused(join(folder, name), 'came there meanwhile'));
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
export function reply(kind: OutputKind | 'kubernetes', target: string, folder: string, files: Made[], sources: Source[]): Reply {
  return {
    kind: 'Files',
    made: true,
    body: { output: kind, target, folder, files, sources },
    text: [
      ...files.map(({ name, sizeBytes }) => `✓ ${folder}/${name} · ${bytes(sizeBytes)}`),
      ...(sources.length === 0
        ? []
        : [kind === 'containerfile' ? 'Put beside them, unchanged:' : 'The nodes fetch, and take no other bytes:']),
      ...sources.map(({ name, url, digest }) => `  ${url ?? name} · ${digest}`),
    ],
  };
}
