/** As Kata 4.1 has it (docs/facts/kata.md#versionsyaml), shortened: the same places and forms. */
export const versionsYaml = `# comment
---
description: |
  This file contains version details

assets:
  description: "Additional required system elements"
  hypervisor:
    description: "Component used to create virtual machines"
    cloud_hypervisor:
      url: "https://github.com/cloud-hypervisor/cloud-hypervisor"
      uscan-url: >-
        https://github.com/cloud-hypervisor/cloud-hypervisor/tags.*/v?(\\d\\S+)\\.tar\\.gz
      version: "v51.1"
    firecracker:
      url: "https://github.com/firecracker-microvm/firecracker"
      version: "v1.12.1"
    qemu:
      url: "https://github.com/qemu/qemu"
      version: "v11.0.1"
      tag: "v11.0.1"
      uscan-opts: "opts=uversionmangle=s/(\\\\d)[_\\\\.\\\\-\\\\+]?\\
        ((RC|rc|pre|dev|beta|alpha)\\\\d*)$/$1~$2/ "
    qemu-snp-experimental:
      url: "https://github.com/confidential-containers/qemu.git"
      tag: "gpu-snp-20260430"
  image:
    architecture:
      x86_64:
        name: "ubuntu"
        version: "resolute"  # 26.04 LTS
  kernel:
    url: "https://cdn.kernel.org/pub/linux/kernel/v6.x/"
    version: "v6.18.35"
externals:
  ovmf:
    url: "https://github.com/tianocore/edk2"
    x86_64:
      version: "edk2-stable202508"
  virtiofsd:
    url: "https://gitlab.com/virtio-fs/virtiofsd"
    version: "v1.14.0"
    meta:
      binary: "https://gitlab.com/-/project/21523468/uploads/virtiofsd.zip"
`;
