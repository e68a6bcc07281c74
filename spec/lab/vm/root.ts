import { bootstrapped } from '../roots.ts';

// what a node of an immutable OS has, and what the lab itself works with; no Node, no QEMU: what the product installs brings its own
const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'systemd-container',
  'dbus',
  'udev',
  'kmod',
  'linux-image-cloud-amd64',
  'containerd',
  'runc',
  'selinux-policy-default',
  'policycoreutils',
  'selinux-utils',
  'auditd',
  'ostree',
  'ostree-boot',
  'bubblewrap', // ostree runs semodule in it when it finishes a deployment
  'openssh-server',
  'erofs-utils',
  'squashfs-tools',
  'e2fsprogs',
  'attr',
  'zstd',
  'xz-utils',
  'strace',
  'util-linux',
  'iproute2',
  'procps',
  'busybox-static',
];

/** Debian trixie with a kernel, SELinux's reference policy and ostree: about a minute at first use, then kept for the week. */
export async function vmRoot(): Promise<string> {
  return await bootstrapped('vm-root', 'trixie', PACKAGES);
}
