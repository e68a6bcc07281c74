import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { runcWithoutControllers } from '../../lab/containerd.ts';
import { K0S, K0S_SOCKET, type K0sVersion, k0sAvailable, k0sBinds, k0sFiles } from '../../lab/k0s.ts';
import type { Content } from '../../lab/storage.ts';
import { type Live, liveHost } from './liveHost.ts';

export const k0sUnit = 'k0sworker.service';

/** A booted host whose engine is the stand-in for k0s with a real containerd below it. */
export async function k0sHost(files: Record<string, Content> = {}): Promise<Live> {
  const { '/etc/lab/bin/runc': runc } = runcWithoutControllers('forky');
  const given = {
    suite: 'trixie' as const,
    containerdConfig: '',
    files: { ...k0sFiles(), '/etc/lab/bin/runc': runc!, ...files },
    binds: await k0sBinds(),
  };
  return liveHost(given, { unit: k0sUnit, socket: K0S_SOCKET });
}

/** Where such a host cannot be made today, the specs of the describe are skipped and say why. */
export function whereK0s(): void {
  before(async function () {
    this.timeout(1_800_000);
    const available = await k0sAvailable();
    if (available.ok) return;
    console.log(`      ${available.why}`);
    this.skip();
  });
}

/** Another version is put in place while k0s is stopped, as an update by hand does it. */
export async function updateK0s({ host }: Live, version: K0sVersion): Promise<void> {
  await host.sh(`systemctl stop ${k0sUnit} && ln -sfn /mnt/k0s/${version}/k0s ${K0S} && systemctl start ${k0sUnit}`);
}

/** The same on a host that is off, by the machine's path of its root. */
export function installK0s(root: string, version: K0sVersion): void {
  rmSync(join(root, K0S));
  symlinkSync(`/mnt/k0s/${version}/k0s`, join(root, K0S));
}

/** The process of k0s, by the number of its start, and that of its containerd. */
export async function processesOf({ host }: Live): Promise<{ k0s: string; containerd: string }> {
  const { stdout } = await host.run(['systemctl', 'show', k0sUnit, '-p', 'InvocationID', '-p', 'MainPID', '--value']);
  const k0s = stdout.trim().split('\n').sort().join(' ');
  const children = await host.run(['pgrep', '-f', '^/var/lib/k0s/bin/containerd --root'], { allowFailure: true });
  return { k0s, containerd: children.stdout.trim() };
}
