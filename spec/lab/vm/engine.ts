import { containerdConfig } from '../containerd.ts';

/** containerd's configuration on a VM host, which has all of the kernel: cgroups with controllers, and SELinux. */
export function vmContainerdConfig(version: 2 | 3): string {
  const text = containerdConfig(version === 2 ? 'trixie' : 'forky');
  return text.replace(/^.*\bdisable_cgroup\b.*\n/m, '').replace('restrict_oom_score_adj = true', 'enable_selinux = true');
}
