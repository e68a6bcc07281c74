import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { debianMirror } from './mirror.ts';
import { run } from './run.ts';

export type Suite = 'bookworm' | 'trixie' | 'forky';
export type Availability = { ok: true } | { ok: false; why: string };

/** One row a suite: what its engine speaks, and whether its Release file may be past its date on a mirror that lags. */
export const SUITES: Record<Suite, { containerd: '1.6' | '1.7' | '2'; schema: 2 | 3; mayBeStale: boolean }> = {
  bookworm: { containerd: '1.6', schema: 2, mayBeStale: false },
  trixie: { containerd: '1.7', schema: 2, mayBeStale: false },
  forky: { containerd: '2', schema: 3, mayBeStale: true },
};

// no QEMU and no firmware: what the product installs must bring its own; no Node: the program is one file
const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'systemd-container',
  'dbus',
  'kmod',
  'containerd',
  'runc',
  'zstd',
  'xz-utils',
  'attr',
  'strace',
  'util-linux',
  'busybox-static',
  'procps',
  'iproute2',
  'erofs-utils',
  'squashfs-tools',
];

/** Docker's daemon and client, beside what every root has. */
const DOCKER = ['docker.io', 'docker-cli', 'iptables'];

const FORBIDDEN = ['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe', 'usr/share/OVMF', 'usr/libexec/virtiofsd', 'usr/lib/qemu'];

const attempts = new Map<Suite, Promise<string>>();

/** The folder of a suite's root, made by mmdebstrap at first use: about half a minute, then kept for the week. */
export function debianRoot(suite: Suite): Promise<string> {
  const known = attempts.get(suite) ?? build(suite);
  attempts.set(suite, known);
  return known;
}

/** Whether hosts of the suite can be had here and today; a `why` is for a skip's name. Makes the root where it is missing. */
export async function suiteAvailable(suite: Suite): Promise<Availability> {
  if (process.getuid?.() !== 0) return { ok: false, why: 'lab hosts need root' };
  for (const program of ['mmdebstrap', 'systemd-nspawn', 'nsenter', 'mkfs.ext4', 'flock']) {
    const found = await run(['sh', '-c', `command -v ${program}`], { allowFailure: true });
    if (found.code !== 0) return { ok: false, why: `lab hosts need ${program} (.ci/packages.txt)` };
  }
  try {
    await debianRoot(suite);
    return { ok: true };
  } catch (error) {
    const lines = String((error as Error).message)
      .split('\n')
      .filter((line) => /^E:|error|cannot/i.test(line));
    return { ok: false, why: `${suite} cannot be installed today: ${withoutHosts(lines.at(-1) ?? String(error))}` };
  }
}

function build(suite: Suite): Promise<string> {
  return bootstrapped(`root-${suite}`, suite, PACKAGES);
}

/** The root of a suite with Docker in it: half a minute at first use. */
export function dockerRoot(suite: Suite): Promise<string> {
  return bootstrapped(`root-docker-${suite}`, suite, [...PACKAGES, ...DOCKER]);
}

/** The root of a node of Kubernetes: trixie, with the plugins of its network. */
export function kubeRoot(): Promise<string> {
  return bootstrapped('root-kube-trixie', 'trixie', [...PACKAGES, 'containernetworking-plugins']);
}

/** The root of a suite with a server of ssh in it. */
export function sshRoot(suite: Suite): Promise<string> {
  return bootstrapped(`root-ssh-${suite}`, suite, [...PACKAGES, 'openssh-server']);
}

/** The folder of a root with these packages, by mmdebstrap from this machine's mirror; it has no hypervisor, no firmware, no Node, unless `finish` takes it. */
export async function bootstrapped(name: string, suite: Suite, packages: readonly string[], finish = assertBare): Promise<string> {
  const mirror = debianMirror();
  if (mirror === undefined) throw new Error('cannot find a Debian mirror in the sources of apt');
  const argv = recipe(suite, packages);
  const folder = await cached(name, [...argv, week()], async (into) => {
    await run([...argv, suite, join(into, 'root'), line(suite, mirror)], { timeoutMs: 900_000 });
    await finish(join(into, 'root'));
  });
  return join(folder, 'root');
}

function recipe(suite: Suite, packages: readonly string[]): string[] {
  return [
    'mmdebstrap',
    '--mode=root',
    '--variant=minbase',
    '--format=directory',
    '--quiet',
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    ...(SUITES[suite].mayBeStale ? ['--aptopt=Acquire::Check-Valid-Until "false"'] : []),
    ...['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    `--include=${packages.join(',')}`,
  ];
}

function line(suite: Suite, mirror: string): string {
  return `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main`;
}

async function assertBare(root: string): Promise<void> {
  const programs = await readdir(join(root, 'usr/bin'));
  const found = [
    ...FORBIDDEN.filter((path) => existsSync(join(root, path))),
    ...programs.filter((name) => /^(qemu-|node(js)?$|npm$)/.test(name)),
  ];
  if (found.length > 0) throw new Error(`the root must have no hypervisor, no firmware and no Node, but has ${found.join(', ')}`);
}

// roots are renewed weekly: young enough for security updates, old enough to be found again
function week(): string {
  return String(Math.floor(Date.now() / (7 * 24 * 3600 * 1000)));
}

function withoutHosts(message: string): string {
  return message.replace(/\b[a-z]+:\/\/\S+/g, '<mirror>');
}
