import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapped } from './roots.ts';
import { type Ran, run } from './run.ts';

/** What a newcomer's machine has besides Debian's essential packages: README's way to Node on each suite. */
const machines = {
  trixie: { packages: ['git', 'nodejs', 'npm'], install: undefined },
  bookworm: { packages: ['git', 'npm'], install: 'npm install -g node@22' },
} as const;
export type FreshSuite = keyof typeof machines;

const repo = fileURLToPath(new URL('../..', import.meta.url));
const certificates = '/etc/ssl/certs/of-the-machine.pem';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

// $1 the root, $2 the folder with the machine's settings, $3 the user, $4 the checkout, $5 what to run; no mount of it outlives the shell
const SCRIPT = `
mkdir -p "$2/machine"
mount -t tmpfs -o mode=755 tmpfs "$2/machine"
cd "$2/machine"
mkdir up work root
mount -t overlay -o "lowerdir=$1,upperdir=$PWD/up,workdir=$PWD/work" overlay root
cd root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
for file in resolv.conf hosts; do [ ! -e "/etc/$file" ] || cp -L "/etc/$file" "etc/$file"; done
[ ! -e "$2/certificates" ] || { mkdir -p etc/ssl/certs; cp "$2/certificates" ".${certificates}"; }
home=root
[ "$3" = root ] || { chroot . useradd -m -s /bin/bash "$3"; home="home/$3"; }
cp "$2/npmrc" "$home/.npmrc"
if [ -n "$4" ]; then
  mkdir "$home/kata-sysext"
  git -c safe.directory='*' -C "$4" ls-files -z --cached --others --exclude-standard > "$2/files"
  tar -C "$4" --null --files-from="$2/files" --ignore-failed-read -cf - | tar -C "$home/kata-sysext" --no-same-owner -xf -
fi
chroot . chown -R "$3:" "/$home"
[ ! -e "$2/certificates" ] || set -- "$1" "$2" "$3" "$4" "$5" "NODE_EXTRA_CA_CERTS=${certificates}"
command=$5 user=$3
shift 5
exec env -i "PATH=${PATH}" "HOME=/$home" "USER=$user" LANG=C.UTF-8 "$@" chroot --userspec="$user:" . bash -c "cd; [ ! -d kata-sysext ] || cd kata-sysext; $command"
`;

// $1 the root, $2 what to run, then the environment; npm 9 dies without /proc (“Exit handler never called!”)
const INSTALL = `
cd "$1"
mount -t proc proc proc
mount --rbind /dev dev
command=$2
shift 2
exec env -i "$@" chroot . bash -c "$command"
`;
const unshared = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'];

/**
 * Runs a command of bash on a newcomer's machine: a minimal Debian root with git, Node and npm, and a copy of this checkout as its working folder.
 * What it writes is in memory and gone afterwards. It uses the network of this machine, and its npm registry.
 */
export async function onFreshMachine(suite: FreshSuite, user: string, command: string, timeoutMs: number): Promise<Ran> {
  return await inRoot(await freshRoot(suite), { user, command, checkout: repo, timeoutMs });
}

async function freshRoot(suite: FreshSuite): Promise<string> {
  const { packages, install } = machines[suite];
  return await bootstrapped(`fresh-${suite}`, suite, packages, async (root) => {
    if (install !== undefined) await installInto(root, install);
  });
}

async function installInto(root: string, command: string): Promise<void> {
  const settings = await settingsFolder();
  try {
    // Written into the root itself: it is kept.
    const { env } = settings;
    for (const file of ['resolv.conf', 'hosts']) if (existsSync(`/etc/${file}`)) await copyFile(`/etc/${file}`, join(root, 'etc', file));
    await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
    if (existsSync(join(settings.folder, 'certificates'))) await copyFile(join(settings.folder, 'certificates'), join(root, certificates));
    await copyFile(join(settings.folder, 'npmrc'), join(root, 'root/.npmrc'));
    const variables = Object.entries({ PATH, HOME: '/root', ...env }).map(([name, value]) => `${name}=${value}`);
    await run([...unshared, 'sh', '-ec', INSTALL, 'sh', root, command, ...variables]);
    await rm(join(root, 'root/.npmrc'));
    await rm(join(root, 'root/.npm'), { recursive: true, force: true });
  } finally {
    await rm(settings.folder, { recursive: true });
  }
}

async function inRoot(root: string, more: { user: string; command: string; checkout: string; timeoutMs: number }): Promise<Ran> {
  const { folder } = await settingsFolder();
  try {
    return await run([...unshared, 'sh', '-ec', SCRIPT, 'sh', root, folder, more.user, more.checkout, more.command], {
      allowFailure: true,
      timeoutMs: more.timeoutMs,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** How this machine's npm reaches its registry, for npm in a root: a npmrc, and the certificates that it trusts. No credentials. */
async function settingsFolder(): Promise<{ folder: string; env: Record<string, string> }> {
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-fresh-'));
  const asked = await run(['npm', 'config', 'list', '--json', '--long'], { cwd: '/' });
  const config = JSON.parse(asked.stdout) as Record<string, unknown>;
  const lines = ['registry', 'proxy', 'https-proxy', 'noproxy'].flatMap((name) => {
    const value = config[name];
    return typeof value === 'string' && value !== '' ? [`${name}=${value}`] : [];
  });
  const trusted = [config['cafile'], process.env['NODE_EXTRA_CA_CERTS']].find((file) => typeof file === 'string' && existsSync(file));
  if (typeof trusted === 'string') await copyFile(trusted, join(folder, 'certificates'));
  await writeFile(join(folder, 'npmrc'), [...lines, ...(trusted === undefined ? [] : [`cafile=${certificates}`]), ''].join('\n'));
  return { folder, env: trusted === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificates } };
}
