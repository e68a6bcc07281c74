import type { LiveVm } from './liveVm.ts';

const files = '/usr/share/lab';
const policies = '/etc/selinux/default/policy/policy.*';
const contexts = '/etc/selinux/default/contexts/lxc_contexts';

/**
 * Runs work under Debian's policy without the module that the lab's hosts have, and loads the host's own policy again. Mounts keep the host's
 * own files as they are; load_policy(8) makes of a policy what this kernel reads.
 */
export async function underStockPolicy<T>(live: LiveVm, work: () => Promise<T>): Promise<T> {
  await live.host.sh(`set -e
mount --bind ${files}/policy-as-it-is $(ls ${policies})
mount --bind ${files}/lxc_contexts-as-it-is ${contexts}
load_policy`);
  try {
    return await work();
  } finally {
    await live.host.sh(`umount ${contexts} $(ls ${policies})
load_policy`);
  }
}

/** The rules that a `check` or `verify` names, in byte order. */
export function missingRules(findings: unknown): string[] {
  return (findings as { code: string; needed: string }[])
    .filter(({ code }) => code === 'host-selinux-denies')
    .map(({ needed }) => needed)
    .sort();
}
