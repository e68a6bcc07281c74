import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, start } from './run.ts';

/** Where the lab keeps what is slow to make; never inside the checkout. */
export function labFolder(): string {
  const own = process.env['KATA_SYSEXT_LAB_CACHE'];
  if (own) return own;
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'kata-sysext-lab');
}

/**
 * The folder of one artefact, built at most once for the same inputs. `inputs` is everything the result depends on: texts,
 * package lists, digests. Builders at the same time wait for each other; a build that died leaves nothing that is taken for whole.
 */
export async function cached(recipe: string, inputs: readonly string[], build: (folder: string) => Promise<void>): Promise<string> {
  const shelf = join(labFolder(), recipe);
  const folder = join(shelf, digestOf(inputs));
  if (await used(folder)) return folder;
  return await locked(recipe, async () => {
    if (await used(folder)) return folder;
    await removeOld(shelf);
    const temporary = await mkdtemp(join(shelf, 'building-'));
    await build(temporary);
    // mkdtemp's 0700 would keep an ordinary user inside a host from a bound folder
    await chmod(temporary, 0o755);
    await rename(temporary, folder);
    return folder;
  });
}

export function digestOf(inputs: readonly string[]): string {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(`${Buffer.byteLength(input)}:`).update(input);
  return hash.digest('hex').slice(0, 24);
}

/** Holds a lock of the kernel's while `work` runs, so that a killed process never leaves one behind. */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  const shelf = join(labFolder(), name);
  await mkdir(shelf, { recursive: true });
  const holder = start(['flock', `${shelf}.lock`, 'sh', '-c', 'echo held; exec cat']);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout?.once('data', () => resolve());
      holder.once('error', reject);
      holder.once('exit', () => reject(new Error(`flock of ${shelf}.lock ended`)));
    });
    return await work();
  } finally {
    holder.stdin?.end();
  }
}

/** Writes a file that other processes of the lab read at any moment: they see the old text or the new one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function used(folder: string): Promise<boolean> {
  if (!existsSync(folder)) return false;
  const now = new Date();
  await utimes(folder, now, now);
  return true;
}

const keptMs = 24 * 3600 * 1000;

// Two checkouts with different recipes may work at the same time: only what nobody asked for since yesterday goes, and nothing that is mounted.
async function removeOld(shelf: string): Promise<void> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  for (const name of await readdir(shelf)) {
    const old = join(shelf, name);
    if (mounts.includes(old) || (await stat(old)).mtimeMs > Date.now() - keptMs) continue;
    await run(['rm', '-rf', '--one-file-system', old]).catch(() => rm(old, { recursive: true, force: true }));
  }
}
