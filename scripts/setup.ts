import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Debian's packages that the tiers need. */
export function packageNames(text = readFileSync('.ci/packages.txt', 'utf8')): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((name) => name !== '');
}

/** Why `npm test -- --setup` cannot install the packages here; nothing where it can. */
export function setupRefusal(uid = process.getuid?.(), isDebian = existsSync('/etc/debian_version')): string | undefined {
  if (!isDebian)
    return 'npm test -- --setup installs Debian packages, and this is no Debian: install what .ci/packages.txt names in your own way, then run npm test';
  if (uid !== 0) return 'npm test -- --setup installs packages, which only root may: run it as root, or npm test for what needs no root';
  return undefined;
}

/** Installs the packages of .ci/packages.txt. Throws where apt-get fails; lists that cannot be fetched today are used as they are. */
export function installPackages(): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const names = packageNames();
  console.log(`installing ${names.length} packages of .ci/packages.txt`);
  if (spawnSync('apt-get', ['update', '-qq'], { env, stdio: 'inherit' }).status !== 0)
    console.log('apt-get update failed; going on with the lists that are there');
  const installed = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (installed.status !== 0)
    throw new Error(`apt-get install ended with ${installed.status ?? installed.signal ?? installed.error?.message}`);
}
