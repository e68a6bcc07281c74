/** Ends of names that are files, units or parts of kata-sysext's own words, not domains. */
const notDomains = new Set(
  (
    'service socket target mount automount slice scope timer path device swap toml json yaml yml conf config cfg ini md txt log sock ttrpc so ko pid lock ' +
    'raw img iso bin efi elf gz xz zst zstd bz tar zip rpm deb tgz erofs squashfs ext dtb vmlinux vmlinuz vmlinuxz initrd sh py js mjs cjs ts rs go ' +
    'old new bak before after tmp damaged ended wants requires upholds proto sum lst list rules preset sysext confext portable'
  ).split(' '),
);

/** Names that are the same on every host: they say nothing about a host, and much about a fault. */
const publicDomains = [
  'containerd.io',
  'docker.io',
  'ghcr.io',
  'github.com',
  'golang.org',
  'freedesktop.org',
  'k8s.gcr.io',
  'k8s.io',
  'katacontainers.io',
  'kubernetes.io',
  'quay.io',
  'systemd.io',
];

/** Names of interfaces and plugins, written from the right: no host has them. */
const reversed = /^(?:io\.(?:containerd|cri-containerd|katacontainers|kubernetes)|org\.(?:freedesktop|opencontainers))(?:\.|$)/i;

/** A dotted word; what it is, `isHostName` says. */
export const dotted = /(?<![\p{L}\p{N}])[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?)+/gu;

/**
 * Whether a dotted word must be taken for the name of a host. In doubt it is one: a word too much that is replaced costs less than a name
 * that is sent to others.
 */
export function isHostName(word: string): boolean {
  const name = word.toLowerCase();
  const last = name.split('.').at(-1)!;
  if (!/^(?:\p{L}{2,}|xn--[a-z0-9-]+)$/u.test(last) || notDomains.has(last)) return false;
  return !reversed.test(name) && !publicDomains.some((domain) => name === domain || name.endsWith(`.${domain}`));
}
