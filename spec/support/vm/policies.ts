import type { LiveVm } from './liveVm.ts';

const files = '/usr/share/lab';
const contexts = '/etc/selinux/default/contexts/lxc_contexts';

/** Runs work under Debian's policy without the module that the lab's hosts have, and loads the host's own policy again. Nothing is left. */
export async function underStockPolicy<T>(live: LiveVm, work: () => Promise<T>): Promise<T> {
  // The kernel takes a policy in one write. A mount keeps the host's own file as it is.
  await live.host.sh(`dd if=${files}/policy-as-it-is of=/sys/fs/selinux/load bs=64M status=none
mount --bind ${files}/lxc_contexts-as-it-is ${contexts}`);
  try {
    return await work();
  } finally {
    await live.host.sh(`umount ${contexts}
dd if=$(ls /etc/selinux/default/policy/policy.*) of=/sys/fs/selinux/load bs=64M status=none`);
  }
}

/** The rules that a `check` or `verify` names, in byte order. */
export function missingRules(findings: unknown): string[] {
  return (findings as { code: string; needed: string }[])
    .filter(({ code }) => code === 'host-selinux-denies')
    .map(({ needed }) => needed)
    .sort();
}
