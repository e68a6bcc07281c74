import { execFileSync } from 'node:child_process';
import type { SampleRelease } from '../../lab/release/index.ts';
import { type Suite, suiteAvailable } from '../../lab/roots.ts';
import { sha256 } from '../digests.ts';
import { fingerprint } from '../judges/fingerprint.ts';
import { containerd, type Live } from './liveHost.ts';

const shimMember = './opt/kata/runtime-rs/bin/containerd-shim-kata-v2';
export const shimPath = '/usr/share/kata/runtime-rs/bin/containerd-shim-kata-v2';
export const service = 'systemd-sysext.service';
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];
/** What the engine and the lab write themselves. */
const leftOut = ['var/lib/containerd', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache'];

/** The digest of the shim as `tar` takes it out of the archive: no code of ours. */
export function shimDigest(release: SampleRelease): string {
  return sha256(execFileSync('tar', ['--zstd', '-xOf', release.static, shimMember], { maxBuffer: 1 << 28 }));
}

/** systemd's own word for what is merged, and the service's state. */
export async function merged({ host }: Live): Promise<string> {
  const { stdout } = await host.sh(`systemd-sysext status --json=short | tr -d ' \\n'; systemctl is-active ${service} || true`);
  return stdout.replace(/"since":[^}]*/g, '').trim();
}

/** The bytes at the stable path, read by a shell in the mount namespace of PID 1 and in that of the engine. */
export async function shimSeen({ host }: Live): Promise<string[]> {
  const { stdout } = await host.sh(
    `for pid in 1 $(systemctl show -P MainPID ${containerd}); do sha256sum /proc/$pid/root${shimPath} 2>/dev/null || echo none; done`,
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]!);
}

/** The host's files by digests, and what is merged. */
export async function print(live: Live): Promise<string[]> {
  return [...fingerprint(live.host.root, folders, leftOut), `merged: ${await merged(live)}`];
}

/** A suite that cannot be installed today is left out by name, never a red gate. */
export function whereAvailable(suite: Suite, work: () => Promise<void>): void {
  before(async function () {
    this.timeout(900_000);
    const available = await suiteAvailable(suite);
    if (available.ok) return work();
    console.log(`      ${suite} cannot be installed today: ${available.why}`);
    return this.skip();
  });
}
