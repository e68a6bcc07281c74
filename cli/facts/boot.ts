import type { HostPath, HostView } from '../host/index.ts';
import { type Fact, known } from './types.ts';

/** True on hosts whose OS tree is an ostree deployment. */
export async function isOstree(host: HostView): Promise<Fact<boolean>> {
  const marks = host.booted
    ? ['/run/ostree-booted']
    : ['/run/ostree-booted', '/ostree/repo', '/sysroot/ostree/repo', '/usr/lib/ostree/prepare-root.conf'];
  for (const mark of marks) if ((await host.stat(mark)) !== undefined) return known(true, mark);
  return known(false, `none of ${marks.join(', ')} is there`);
}

/**
 * The deployment that is booted: an ostree checksum, the digest of an image of composefs, 'snapshot-N' of snapper, 'single' where the OS has one
 * tree (or one /etc for all, as Flatcar), 'offline' for a tree that is not running.
 */
export async function deploymentOf(host: HostView): Promise<string> {
  if (!host.booted) return 'offline';
  const line = (await host.readText('/proc/cmdline')) ?? '';
  const argument = /(?:^|\s)ostree=(\S+)/.exec(line)?.[1];
  if (argument === undefined) return (await composefsOf(host, line)) ?? (await snapshotOf(host)) ?? 'single';
  return (await host.readlink(argument))?.split('/').at(-1) ?? argument;
}

/** bootc's composefs hosts without ostree keep an /etc for each image here, below the digest of the kernel's argument; /var is shared. */
export const composefsFolder: HostPath = '/sysroot/state/deploy';

/**
 * composefs=DIGEST, or before it one or more composefs.digest=VERSION-HASH-BLOCK:DIGEST, of which the first that is there was mounted; a “?” before
 * the value makes verity optional (composefs-rs, “Booting from a composefs image”).
 */
async function composefsOf(host: HostView, line: string): Promise<string | undefined> {
  const named = [...line.matchAll(/(?:^|\s)composefs(\.digest)?=\??(?:[^\s:]*:)?([0-9a-f]+)(?!\S)/g)];
  const digests = [...named.filter(([, newer]) => newer !== undefined), ...named].map(([, , digest]) => digest!);
  for (const digest of digests) if ((await host.stat(`${composefsFolder}/${digest}`)) !== undefined) return digest;
  return digests[0];
}

/** The subvolume that the root is mounted from (proc(5), mountinfo: the fourth field). */
async function snapshotOf(host: HostView): Promise<string | undefined> {
  const number = /^\S+ \S+ \S+ \S*\/\.snapshots\/(\d+)\/snapshot \/ /m.exec((await host.readText('/proc/self/mountinfo')) ?? '')?.[1];
  return number === undefined ? undefined : `snapshot-${number}`;
}

export async function machineOf(host: HostView): Promise<string> {
  return ((await host.readText('/etc/machine-id')) ?? '').trim() || 'unset';
}

export async function bootOf(host: HostView): Promise<string> {
  return host.booted ? ((await host.readText('/proc/sys/kernel/random/boot_id')) ?? '').trim() : 'offline';
}

/** As systemd notes it (https://systemd.io/CONTAINER_INTERFACE). */
export async function isContainer(host: HostView): Promise<boolean> {
  return (await host.stat('/run/systemd/container')) !== undefined;
}
