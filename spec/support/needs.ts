import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
let hasYaml: boolean | undefined;

/** What a spec may need that is no program: each with how it is found. */
const others: Record<string, () => boolean> = {
  root: () => process.getuid?.() === 0,
  'python3-yaml': () => {
    hasYaml ??= spawnSync('python3', ['-c', 'import yaml'], { stdio: 'ignore' }).status === 0;
    return hasYaml;
  },
};

/** Skips a test, or all of a `before`, where this machine lacks one of these programs, and names it. `root` and `python3-yaml` are needs too. */
export function needs(spec: Mocha.Context, ...wanted: string[]): void {
  const missing = wanted.filter((name) => !isThere(name));
  if (missing.length === 0) return;
  console.log(`      left out: ${missing.join(', ')} is not on this machine: see .ci/packages.txt`);
  spec.skip();
}

/** Whether a program is found, or another need is met. */
function isThere(name: string): boolean {
  return Object.hasOwn(others, name) ? others[name]!() : folders.some((folder) => isExecutable(join(folder, name)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
