import type { HostView } from '../host/index.ts';
import { type Fact, known } from './types.ts';

/** True on hosts whose OS tree is an ostree deployment. */
export async function isOstree(host: HostView): Promise<Fact<boolean>> {
  const marks = host.live
    ? ['/run/ostree-booted']
    : ['/run/ostree-booted', '/ostree/repo', '/sysroot/ostree/repo', '/usr/lib/ostree/prepare-root.conf'];
  for (const mark of marks) if ((await host.stat(mark)) !== undefined) return known(true, mark);
  return known(false, `none of ${marks.join(', ')} is there`);
}

/** The deployment that is booted: an ostree checksum, 'single' where the OS has one tree, 'offline' for a tree that is not running. */
export async function deploymentOf(host: HostView): Promise<string> {
  if (!host.live) return 'offline';
  const argument = /(?:^|\s)ostree=(\S+)/.exec((await host.readText('/proc/cmdline')) ?? '')?.[1];
  if (argument === undefined) return 'single';
  return (await host.readlink(argument))?.split('/').at(-1) ?? argument;
}

export async function machineOf(host: HostView): Promise<string> {
  return ((await host.readText('/etc/machine-id')) ?? '').trim() || 'unset';
}

export async function bootOf(host: HostView): Promise<string> {
  return host.live ? ((await host.readText('/proc/sys/kernel/random/boot_id')) ?? '').trim() : 'offline';
}
