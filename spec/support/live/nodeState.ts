import { differences, fingerprint } from '../judges/fingerprint.ts';

/** What is another one after an installation by a node pod and its removal. */
const others = {
  'etc/kata-sysext': 'the last report stays',
  'var/lib/kata-sysext': 'the pod mounts it; it is empty',
  'etc/.updated': "systemd's note of the time of /usr",
  'var/.updated': 'the same',
  'var/lib/kubelet': 'pods that were there',
  'var/lib/containerd': 'the same',
  'var/lib/cni': 'addresses of pods that were there',
  'var/log': 'logs',
  'var/tmp': 'a folder of systemd for each boot',
  'var/lib/systemd': 'clocks of timers, and the random seed',
};

export interface NodeState {
  /** What has become another one since. */
  differences(): string[];
}

/** Of a node as it is now, but for what others keep there. */
export function nodeState({ root }: { root: string }): NodeState {
  const now = () => fingerprint(root, ['etc', 'opt', 'root', 'var'], Object.keys(others));
  const before = now();
  return { differences: () => differences(before, now()) };
}
