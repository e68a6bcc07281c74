import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A group of its own for each host, in the unified tree wherever that is mounted: nspawn makes `payload` below the group it is
 * started in, and two hosts that share one see (and end) each other's processes.
 */
export async function makeCgroup(name: string): Promise<string> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  const unified = mounts.find((fields) => fields[2] === 'cgroup2')?.[1];
  if (unified === undefined) throw new Error('no unified tree of cgroups is mounted');
  const folder = join(unified, `kata-sysext-lab-${name}`);
  await mkdir(folder, { recursive: true });
  return folder;
}

export async function killCgroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  await writeFile(join(folder, 'cgroup.kill'), '1').catch(() => undefined);
  for (let tries = 0; tries < 3000 && populated(folder); tries++) await new Promise((resolve) => setTimeout(resolve, 20));
}

export async function removeCgroup(folder: string): Promise<void> {
  for (let tries = 0; tries < 1000 && existsSync(folder); tries++) {
    try {
      removeTree(folder);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(folder, entry.name));
  rmdirSync(folder);
}

function populated(folder: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(folder, 'cgroup.events'), 'utf8'));
  } catch {
    return false;
  }
}
