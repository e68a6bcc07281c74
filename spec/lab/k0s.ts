import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cached } from './cache.ts';
import { type Availability, debianRoot, suiteAvailable } from './roots.ts';
import { run } from './run.ts';
import type { Content } from './storage.ts';

const SOURCES = join(import.meta.dirname, 'k0s');

/** What the stand-in calls itself; its containerd is that of trixie for the older one, and that of forky for the newer one. */
export const K0S_VERSIONS = { older: 'v1.34.10+k0s.0', newer: 'v1.36.3+k0s.2' } as const;
export type K0sVersion = keyof typeof K0S_VERSIONS;

export const K0S_SOCKET = '/run/k0s/containerd.sock';
/** Where the unit of a host has its k0s; a link to one of the two. */
export const K0S = '/opt/bin/k0s';

/** Whether hosts with the stand-in can be had here and today. */
export async function k0sAvailable(): Promise<Availability> {
  for (const suite of ['trixie', 'forky'] as const) {
    const available = await suiteAvailable(suite);
    if (!available.ok) return available;
  }
  try {
    await k0sFolder();
    return { ok: true };
  } catch (error) {
    const last =
      String((error as Error).message)
        .split('\n')
        .at(-1) ?? '';
    return { ok: false, why: `the stand-in for k0s cannot be built: ${last.replace(/\b[a-z]+:\/\/\S+/g, '<proxy>')}` };
  }
}

/** A folder with the stand-in in both versions: 'older/k0s', 'newer/k0s'. */
export async function k0sFolder(): Promise<string> {
  const sources = readdirSync(SOURCES)
    .filter((name) => /\.(go|mod|sum)$/.test(name))
    .sort();
  const inputs = [...sources.map((name) => readFileSync(join(SOURCES, name), 'utf8')), ...Object.values(K0S_VERSIONS)];
  return cached('k0s-stand-in', inputs, async (into) => {
    // Go's own installer puts it where no login shell's PATH has it
    const PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/local/go/bin`;
    const env = { PATH, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '' };
    for (const [name, version] of Object.entries(K0S_VERSIONS)) {
      const flags = [`-ldflags=-s -w -X main.version=${version}`, '-o', join(into, name, 'k0s'), '.'];
      await run(['go', 'build', '-mod=readonly', '-trimpath', ...flags], { cwd: SOURCES, timeoutMs: 600_000, env });
    }
  });
}

export async function k0sBinds(): Promise<Record<string, string>> {
  return {
    [await k0sFolder()]: '/mnt/k0s',
    [join(await debianRoot('trixie'), 'usr')]: '/mnt/containerd/1',
    [join(await debianRoot('forky'), 'usr')]: '/mnt/containerd/2',
  };
}

/** A worker as `k0s install` makes its unit. The socket of containerd, which is masked, leads to that of k0s: the lab's tools ask there. */
export function k0sFiles(): Record<string, Content> {
  return {
    [K0S]: { link: '/mnt/k0s/older/k0s' },
    '/etc/systemd/system/containerd.service': { link: '/dev/null' },
    '/etc/systemd/system/k0sworker.service': UNIT,
    '/etc/systemd/system/multi-user.target.wants/k0sworker.service': { link: '../k0sworker.service' },
    '/etc/tmpfiles.d/lab-k0s.conf': `L+ /run/containerd/containerd.sock - - - - ${K0S_SOCKET}\n`,
  };
}

const UNIT = `[Unit]
Description=k0s - Zero Friction Kubernetes (stand-in of the lab)
ConditionFileIsExecutable=${K0S}
After=network-online.target

[Service]
StartLimitInterval=5
StartLimitBurst=10
ExecStart=${K0S} worker --token-file=/etc/k0s/token
RestartSec=10
Delegate=yes
KillMode=process
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
LimitNOFILE=999999
Restart=always

[Install]
WantedBy=multi-user.target
`;
