import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { locked, writeWhole } from './cache.ts';
import { killCgroup, removeCgroup } from './cgroup.ts';
import { hostsFolder, removeStorage } from './storage.ts';

/** A process by number and start, so that a number used again is never taken for it. */
export interface Process {
  pid: number;
  started: string;
}

export interface Owner {
  owner: Process;
  nspawn?: Process | undefined;
  cgroup: string;
}

export function processOf(pid: number): Process | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : { pid, started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

export function alive(process: Process): boolean {
  return processOf(process.pid)?.started === process.started;
}

export async function writeOwner(folder: string, owner: Owner): Promise<void> {
  await writeWhole(join(folder, 'owner.json'), JSON.stringify(owner));
}

export async function readOwner(name: string): Promise<Owner | undefined> {
  const text = await readFile(join(hostsFolder(), name, 'owner.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Owner);
}

/** Takes away what hosts of dead owners left: their processes, mounts, groups and folders. */
export async function removeEmptyDirs(): Promise<void> {
  await locked('hosts', async () => {
    for (const entry of readdirSync(hostsFolder(), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const owner = await readOwner(entry.name);
      if (owner !== undefined && !alive(owner.owner)) await endHost(join(hostsFolder(), entry.name), owner);
    }
  });
}

export async function endHost(folder: string, owner: Owner): Promise<void> {
  if (owner.nspawn !== undefined && alive(owner.nspawn)) {
    process.kill(owner.nspawn.pid, 'SIGKILL');
    for (let tries = 0; tries < 3000 && alive(owner.nspawn); tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await killCgroup(owner.cgroup);
  await removeStorage(folder);
  await removeCgroup(owner.cgroup);
}
