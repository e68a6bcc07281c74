/** What a layered kata-containers has on a host: the files of Fedora's package (docs/facts/kata.md#packages). */
export const layered = {
  shim: 'usr/bin/containerd-shim-kata-v2',
  /** In /etc/crio/crio.conf.d, without a suffix. */
  dropIn: 'etc/crio/crio.conf.d/50-kata',
  text: `# Kata Containers
[crio.runtime.runtimes.kata]
  runtime_path = "/usr/bin/containerd-shim-kata-v2"
  runtime_type = "vm"
  runtime_root = "/run/vc"
  privileged_without_host_devices = true
`,
};

/** ostree's note beside a deployment, in which rpm-ostree keeps what was asked for. */
export const origin = {
  path: 'ostree/deploy/fedora-coreos/deploy/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0.origin',
  text: (requested: string, key = 'requested') =>
    `[origin]\nrefspec=fedora:fedora/x86_64/coreos/stable\n\n[packages]\n${key}=${requested}\n\n[rpmostree]\nregenerate-initramfs=false\n`,
};
