import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** Prefixes of folders that runs of tests make in the temporary folder and remove themselves; another run may be going on. */
const ownPrefixes = ['kata-sysext-tests-', 'kata-sysext-mocha-'];
/** What Node's loader leaves for its own next start. */
const caches = /^(?:tsx-\d+|node-compile-cache)$/;
const goneTimeoutMs = 120_000;

/** A folder for one run; every tier gets a temporary folder of its own below it. Others may pass through, as through /tmp. */
export function runFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), ownPrefixes[0]!));
  chmodSync(folder, 0o711);
  return folder;
}

/** The temporary folder of one tier: TMPDIR of its process. */
export function tierFolder(run: string, name: string): string {
  const folder = join(run, name);
  mkdirSync(folder);
  chmodSync(folder, 0o1777);
  return folder;
}

/** What specs left in the temporary folder of their tier. */
export function leftIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !caches.test(name));
}

/** Removes a folder, and follows no mount in it: a spec that failed may have left one. */
export function removeFolder(folder: string): void {
  spawnSync('rm', ['-rf', '--one-file-system', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Names of this project in the machine's temporary folder, without those of runs of tests. */
export function namesInTemp(folder = tmpdir()): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('kata-sysext-') && !ownPrefixes.some((prefix) => name.startsWith(prefix)));
}

/** Whether another run of tests goes on: what is new in the temporary folder of the machine may be of that one. */
export function hasOtherRun(own: string, folder = tmpdir()): boolean {
  return readdirSync(folder).some((name) => name !== basename(own) && ownPrefixes.some((prefix) => name.startsWith(prefix)));
}

/** What came into the machine's temporary folder since `before` and stays there: a program may use it while this looks. */
export async function addedToTemp(before: string[], folder = tmpdir(), timeoutMs = goneTimeoutMs): Promise<string[]> {
  const added = () => namesInTemp(folder).filter((name) => !before.includes(name));
  for (const deadline = Date.now() + timeoutMs; added().length > 0 && Date.now() < deadline; )
    await new Promise((resolve) => setTimeout(resolve, 200));
  return added();
}
