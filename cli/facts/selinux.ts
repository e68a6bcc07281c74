import type { HostView } from '../host/index.ts';
import { type Fact, known, type SelinuxState } from './types.ts';

/** The policy that is loaded (live) or configured (offline). */
export async function selinuxState(host: HostView): Promise<Fact<SelinuxState>> {
  const configured = /^SELINUXTYPE=(\S+)/m.exec((await host.readText('/etc/selinux/config')) ?? '')?.[1];
  const policy = configured === undefined ? {} : { policy: configured };
  if (!host.booted) {
    const mode = /^SELINUX=(\S+)/m.exec((await host.readText('/etc/selinux/config')) ?? '')?.[1];
    return known({ ...policy, mode: mode === 'enforcing' || mode === 'permissive' ? mode : 'disabled' }, '/etc/selinux/config');
  }
  const enforce = await host.readText('/sys/fs/selinux/enforce');
  if (enforce === undefined) return known({ mode: 'disabled' }, 'there is no /sys/fs/selinux/enforce');
  return known({ ...policy, mode: enforce.trim() === '1' ? 'enforcing' : 'permissive' }, '/sys/fs/selinux/enforce');
}
