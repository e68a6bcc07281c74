/** What an engine or a shim says when a pod does not start, what that means, and what helps. The first row that matches counts. */
interface CauseRow {
  like: RegExp;
  cause: string;
  next: string;
}

const engineLog = 'journalctl --since -5min -u containerd -u crio';

const rows: CauseRow[] = [
  {
    like: /no runtime for .* is configured|failed to find runtime handler/i,
    cause: 'the running engine has no such handler',
    next: 'kata-sysext verify',
  },
  { like: /no space left on device/i, cause: 'a file system that the engine or the shim writes to is full', next: 'df -h /run /var /tmp' },
  {
    like: /vhost[-_]vsock/i,
    cause: 'the hypervisor cannot open /dev/vhost-vsock',
    next: 'modprobe vhost_vsock; ls -lZ /dev/vhost-vsock',
  },
  { like: /\/dev\/kvm|kvm.*(permission denied|no such)/i, cause: 'the hypervisor cannot open /dev/kvm', next: 'kata-sysext check' },
  { like: /virtiofsd/i, cause: 'virtiofsd, which shares folders with the guest, did not start', next: `kata-sysext verify; ${engineLog}` },
  { like: /setup network|cni/i, cause: 'the CNI plugins gave the pod no network', next: `ls -l /etc/cni/net.d; ${engineLog}` },
  {
    like: /permission denied|operation not permitted/i,
    cause: 'something that the shim needs is denied, by modes or by SELinux',
    next: 'kata-sysext verify; ausearch -m avc -ts recent',
  },
  {
    like: /deadline ?exceeded|timed? ?out|check agent/i,
    cause: 'the pod did not come up in time: the guest’s kernel or its agent does not start, or the host is slow',
    next: 'kata-sysext verify --boot-guest',
  },
  {
    like: /no such file or directory|not found/i,
    cause: 'a file that the shim or its hypervisor needs is not there',
    next: 'kata-sysext verify',
  },
];

/** Cause and next command for what the CRI answered. */
export function causeOf(answer: string): { cause?: string; next: string } {
  return rows.find(({ like }) => like.test(answer)) ?? { next: engineLog };
}
