import { copyFile, cp, mkdir, readFile, realpath } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { cached } from './cache.ts';
import type { Availability } from './roots.ts';
import { type Ran, run } from './run.ts';
import type { Content } from './storage.ts';

/** The current CRI-O release that the Go module proxy serves; a newer one is a change of this line. */
export const CRIO_VERSION = '1.36.3';
const MODULE = `github.com/cri-o/cri-o@v${CRIO_VERSION}`;

// without C libraries: openpgp in Go, no btrfs, no seccomp (upstream's own tags)
const TAGS = 'containers_image_openpgp exclude_graphdriver_btrfs btrfs_noversion';

/** Where its programs lie inside a host that was booted with `binds: await crioBinds()`. */
export const CRIO = '/mnt/crio/crio';
export const CRIO_SOCKET = '/var/run/crio/crio.sock';

// glibc must be the host's own, of one piece; all else comes along
const HOSTS = /^(libc|libm|libpthread|libdl|librt|libresolv|ld-linux-x86-64)\.so/;

let attempt: Promise<string> | undefined;

/** Whether a CRI-O can be had here; a `why` is for a skip's name. Builds it at first use: five minutes on two cores. */
export async function crioAvailable(): Promise<Availability> {
  try {
    await crioFolder();
    return { ok: true };
  } catch (error) {
    const lines = String((error as Error).message)
      .trim()
      .split('\n');
    return { ok: false, why: `CRI-O ${CRIO_VERSION} cannot be built: ${(lines.at(-1) ?? '').replace(/\b[a-z]+:\/\/\S+/g, '<proxy>')}` };
  }
}

export async function crioBinds(): Promise<Record<string, string>> {
  return { [await crioFolder()]: '/mnt/crio' };
}

/** The folder with crio, pinns (its C helper, which lies in the same module) and Debian's conmon with its libraries. */
export function crioFolder(): Promise<string> {
  attempt ??= build();
  return attempt;
}

async function build(): Promise<string> {
  const recipe = await readFile(new URL(import.meta.url), 'utf8');
  const conmon = await run(['dpkg-query', '-W', 'conmon'], { allowFailure: true });
  const daemon = await cached('crio', [CRIO_VERSION, TAGS], compile);
  return await cached('crio-programs', [recipe, conmon.stdout, daemon], async (folder) => {
    for (const name of ['crio', 'pinns']) await copyFile(join(daemon, name), join(folder, name));
    await debianConmon(folder);
  });
}

/**
 * `go install MODULE@VERSION` asks the proxy for a list of versions, which not every proxy serves. So the module is fetched by its exact
 * version (checked by the checksum database) and built in its own folder, where its own go.sum vouches for everything that it needs.
 */
async function compile(folder: string): Promise<void> {
  const told = await go(['mod', 'download', '-json', MODULE], folder);
  const { Dir } = JSON.parse(told.stdout) as { Dir: string };
  const source = join(folder, 'source');
  await cp(Dir, source, { recursive: true });
  await run(['chmod', '-R', 'u+w', source]);
  await go(['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-tags', TAGS, '-o', join(folder, 'crio'), './cmd/crio'], source);
  const sources = ['pinns.c', 'sysctl.c'].map((name) => join(source, 'pinns/src', name));
  await run(['gcc', '-std=c99', '-Os', '-static', '-s', '-o', join(folder, 'pinns'), ...sources]);
  await run(['rm', '-rf', source]);
}

async function go(args: string[], cwd: string): Promise<Ran> {
  // Go's own installer puts it where no login shell's PATH has it
  const PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/local/go/bin`;
  return await run(['go', ...args], { cwd, timeoutMs: 1_500_000, env: { PATH, GOTOOLCHAIN: 'local', CGO_ENABLED: '1', GOFLAGS: '' } });
}

async function debianConmon(folder: string): Promise<void> {
  await mkdir(join(folder, 'lib'));
  const { stdout } = await run(['ldd', '/usr/bin/conmon']);
  for (const library of [...stdout.matchAll(/=> (\/\S+)/g)].map((match) => match[1] ?? '').filter((path) => !HOSTS.test(basename(path)))) {
    await copyFile(await realpath(library), join(folder, 'lib', basename(library)));
  }
  await copyFile('/usr/bin/conmon', join(folder, 'conmon'));
  await run(['patchelf', '--force-rpath', '--set-rpath', '$ORIGIN/lib', join(folder, 'conmon')]);
}

// upstream's crio.service (contrib/systemd of the release), with the lab's paths; it has no KillMode line
const UNIT = `[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/crio
Environment=GOTRACEBACK=crash PATH=/mnt/crio:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
ExecStart=${CRIO} \\
          $CRIO_CONFIG_OPTIONS \\
          $CRIO_RUNTIME_OPTIONS \\
          $CRIO_STORAGE_OPTIONS \\
          $CRIO_NETWORK_OPTIONS \\
          $CRIO_METRICS_OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
TasksMax=infinity
LimitNPROC=1048576
LimitCORE=infinity
OOMScoreAdjust=-999
TimeoutStartSec=0
Restart=on-failure
RestartSec=10
WatchdogSec=60s

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
`;

/** The shape of CRI-O’s own packages (10-crio.conf), with Debian’s runc; the roots have neither iptables nor nft. */
const CONFIG = `[crio.image]
signature_policy = "/etc/crio/policy.json"

[crio.runtime]
default_runtime = "runc"
cgroup_manager = "systemd"
disable_hostport_mapping = true

[crio.runtime.runtimes.runc]
runtime_path = "/usr/bin/runc"
runtime_root = "/run/runc"
monitor_path = "/mnt/crio/conmon"
`;

/** What a host has besides its programs: the unit, enabled, its configuration, and containerd masked. */
export function crioFiles(): Record<string, Content> {
  return {
    '/etc/systemd/system/crio.service': UNIT,
    '/etc/systemd/system/multi-user.target.wants/crio.service': { link: '../crio.service' },
    '/etc/systemd/system/containerd.service': { link: '/dev/null' },
    '/etc/crio/crio.conf.d/10-crio.conf': CONFIG,
    '/etc/crio/policy.json': '{"default": [{"type": "insecureAcceptAnything"}]}\n',
  };
}
