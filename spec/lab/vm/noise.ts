import type { Denial } from './audit.ts';

/** One kind of denial that a host has without us, and why; what a row leaves out may be anything. */
interface Noise {
  source?: RegExp;
  target?: RegExp;
  class?: RegExp;
  permissions?: RegExp;
  comm?: RegExp;
  path?: RegExp;
  why: string;
}

// Seen on control hosts that have nothing of ours: a boot, logins, pods of runc, a restart of the engine, a reload of systemd (spec/vm/lab.spec.ts).
const NOISE: Noise[] = [
  {
    class: /^process$/,
    permissions: /^(noatsecure|rlimitinh|siginh)$/,
    why: 'the kernel asks for these at each change of domain; refused means a cleaned environment, which is wanted',
  },
  {
    source: /^(systemd_|init_t|initrc_t)/,
    target: /^usr_t$/,
    class: /^lnk_file$/,
    permissions: /^(read|getattr)$/,
    path: /^(\/usr\/)?local$/,
    why: 'the reference policy has no host whose /usr/local is a link: systemd looks for units and programs there',
  },
  {
    source: /^systemd_generator_t$/,
    comm: /^ostree-system-g/,
    why: 'the generator that mounts /var; the initramfs of the lab does its work',
  },
  { source: /^dockerd_t$/, target: /^security_t$/, class: /^dir$/, permissions: /^search$/, why: 'containerd asks whether SELinux is on' },
  {
    source: /^dockerd_t$/,
    target: /^usr_t$/,
    class: /^dir$/,
    permissions: /^write$/,
    path: /^opt$/,
    why: 'containerd makes its own /opt/containerd',
  },
  { target: /^proc_t$/, class: /^filesystem$/, permissions: /^getattr$/, why: 'libaudit and libselinux look whether /proc is mounted' },
  {
    target: /^selinux_config_t$/,
    class: /^dir$/,
    permissions: /^search$/,
    comm: /^(systemd-|journalctl)/,
    why: 'systemd reads which policy is loaded',
  },
  { class: /^capability$/, permissions: /^net_admin$/, comm: /^(systemd-|journalctl)/, why: 'systemd wants a larger socket buffer' },
  { source: /^systemd_tmpfiles_t$/, permissions: /^getattr$/, why: 'systemd-tmpfiles looks at what its rules name' },
  {
    source: /^systemd_networkd_t$/,
    permissions: /^(search|read|getattr)$/,
    comm: /^systemd-network/,
    why: 'systemd-networkd looks for its drop-ins',
  },
  {
    source: /^syslogd_t$/,
    target: /^tmpfs_t$/,
    class: /^dir$/,
    permissions: /^search$/,
    comm: /^systemd-journal/,
    why: 'credentials of the journal',
  },
  { source: /^auditctl_t$/, target: /^auditd_etc_t$/, permissions: /^map$/, why: 'auditctl reads its rules' },
];

/** Whether a denial speaks of us: no row explains such a one away. */
export function isOurs(denial: Denial): boolean {
  return /kata/i.test(`${denial.comm} ${denial.exe} ${denial.path} ${denial.records}`);
}

/** What no row explains, and all that speaks of us. */
export function unexplained(denials: readonly Denial[]): Denial[] {
  return denials.filter((denial) => isOurs(denial) || !NOISE.some((noise) => explains(noise, denial)));
}

function explains(noise: Noise, denial: Denial): boolean {
  const fits = (pattern: RegExp | undefined, text: string) => pattern === undefined || pattern.test(text);
  return (
    fits(noise.source, denial.source) &&
    fits(noise.target, denial.target) &&
    fits(noise.class, denial.class) &&
    denial.permissions.every((permission) => fits(noise.permissions, permission)) &&
    fits(noise.comm, denial.comm) &&
    fits(noise.path, denial.path)
  );
}
