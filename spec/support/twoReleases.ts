import { chmodSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { archs, nodeFolder } from '../../scripts/single/node.ts';
import { labFolder } from '../lab/cache.ts';
import { run } from '../lab/run.ts';
import { repo } from './program.ts';

/** Two builds of a release, each of a copy of this checkout. */
export interface TwoReleases {
  /** Of the copies, the releases and all else. */
  folder: string;
  /** By root, with dependencies behind a link, and signed with the keys below. */
  first: string;
  /** By an ordinary user, with dependencies of its own. */
  second: string;
  commit: string;
  keys: { private: string; public: string; minisign: string };
}

const nobody = 65534;
const identity = {
  GIT_AUTHOR_NAME: 'someone',
  GIT_AUTHOR_EMAIL: 'someone@example.org',
  GIT_COMMITTER_NAME: 'someone',
  GIT_COMMITTER_EMAIL: 'someone@example.org',
  GIT_AUTHOR_DATE: '1767225600 +0000',
  GIT_COMMITTER_DATE: '1767225600 +0000',
};
const copy =
  'git -c safe.directory="*" -C "$1" ls-files -z --cached --others --exclude-standard | tar -C "$1" --null --files-from=- --ignore-failed-read -cf - | tar -C "$2" --no-same-owner -xf -';

/**
 * Makes both at the same time, quickly compressed, so that sizes are upper bounds: other folder, user, umask, time zone, temporary folder,
 * cache. Takes half a minute. Needs root.
 */
export async function twoReleases(): Promise<TwoReleases> {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-releases-'));
  chmodSync(folder, 0o755);
  const keys = await makeKeys(folder);
  const [one, other] = [join(folder, 'one/deep/checkout'), join(folder, 'two')];
  const commit = await checkout(one);
  symlinkSync(join(repo, 'node_modules'), join(one, 'node_modules'));
  await checkout(other);
  cpSync(realpathSync(join(repo, 'node_modules')), join(other, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  const home = join(folder, 'home');
  const cache = await cacheCopy(join(home, 'cache'));
  const temporary = ['', 'home/'].map((place) => madeFolder(join(folder, `${place}temporary`)));
  await run(['chown', '-R', `${nobody}:${nobody}`, other, home]);
  const signed = ['--key', keys.private, '--minisign', keys.minisign];
  await Promise.all([
    release(one, [], signed, { umask: '0077', TZ: 'Asia/Kathmandu', TMPDIR: temporary[0]!, LANG: 'C' }),
    release(other, ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--no-new-privs'], [], {
      umask: '0002',
      TZ: 'America/St_Johns',
      HOME: home,
      TMPDIR: temporary[1]!,
      KATA_SYSEXT_LAB_CACHE: cache,
      LANG: 'C.UTF-8',
    }),
  ]);
  return { folder, first: join(one, 'made/here'), second: join(other, 'made/here'), commit, keys };
}

/** Builds without a network: what is not in the copy, in node_modules or in the cache is not there. */
async function release(
  checkout: string,
  as: string[],
  args: string[],
  { umask, ...env }: Record<string, string> & { umask: string },
): Promise<void> {
  const argv = ['npm', 'run', '--silent', 'release', '--', '--level', '7', '--out', 'made/here', ...args];
  const offline = ['unshare', '--net', ...as, 'sh', '-c', `umask ${umask}; exec "$@"`, 'sh', ...argv];
  await run(offline, { cwd: checkout, env: { ...env, npm_config_update_notifier: 'false' }, timeoutMs: 1_800_000 });
}

/** A copy of the files as they are, committed. The identity is always the same, so the commit is too. Gives its name. */
async function checkout(into: string): Promise<string> {
  mkdirSync(into, { recursive: true });
  await run(['sh', '-c', copy, 'sh', repo, into]);
  const git = async (...argv: string[]) => await run(['git', '-C', into, ...argv], { env: identity });
  await git('init', '--quiet');
  // A link is none of the folders that .gitignore names.
  mkdirSync(join(into, '.git/info'), { recursive: true });
  writeFileSync(join(into, '.git/info/exclude'), 'node_modules\nmade\n');
  await git('add', '--all');
  await git('commit', '--quiet', '--no-gpg-sign', '--message', 'all');
  return (await git('rev-parse', 'HEAD')).stdout.trim();
}

/** The pinned builds of Node, so that an ordinary user has them. */
async function cacheCopy(cache: string): Promise<string> {
  for (const arch of archs) {
    const from = await nodeFolder(arch);
    cpSync(from, join(cache, from.slice(labFolder().length + 1)), { recursive: true });
  }
  return cache;
}

async function makeKeys(folder: string): Promise<TwoReleases['keys']> {
  const keys = { private: join(folder, 'key.pem'), public: join(folder, 'key.pub'), minisign: join(folder, 'minisign.key') };
  await run(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keys.private]);
  await run(['openssl', 'pkey', '-in', keys.private, '-pubout', '-out', keys.public]);
  await run(['minisign', '-G', '-W', '-s', keys.minisign, '-p', join(folder, 'minisign.pub')]);
  return keys;
}

function madeFolder(path: string): string {
  mkdirSync(path);
  return path;
}

export function removeReleases({ folder }: TwoReleases): void {
  rmSync(folder, { recursive: true, force: true });
}
