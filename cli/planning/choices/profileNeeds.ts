import type { Finding } from '../../errors/index.ts';
import { iommuState, reservedHugepages, selinuxState } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';

type Need = (host: HostView) => Promise<Omit<Finding, 'code' | 'subject'>[]>;

/**
 * What profiles need of a host, by the code of the finding. A blocker where every new pod would fail, a warning where only some pods
 * would, or where the host cannot be seen from here.
 */
const needs: Record<string, { code: string; look: Need }> = {
  hugepages: {
    code: 'host-hugepages',
    look: async (host) => {
      const pages = await reservedHugepages(host);
      if (pages.known && pages.value > 0) return [];
      return [
        {
          level: pages.known ? 'blocker' : 'warning',
          found: pages.known
            ? 'no huge pages are reserved, so that no pod of these handlers would start'
            : `reserved huge pages are not known: ${pages.why}`,
          needed: 'huge pages for the memory of all pods of these handlers',
          next: 'sysctl -w vm.nr_hugepages=N, and the same in /etc/sysctl.d so that it stays',
        },
      ];
    },
  },
  iommu: {
    code: 'host-iommu',
    look: async (host) => {
      const iommu = await iommuState(host);
      if (iommu.known && iommu.value) return [];
      return [
        {
          level: 'warning',
          found: iommu.known
            ? 'the kernel has no IOMMU groups: pods that ask for a device would not start'
            : `IOMMU groups are not known: ${iommu.why}`,
          needed: 'an IOMMU that is switched on in the firmware and in the kernel',
          next: 'add intel_iommu=on or amd_iommu=on, and iommu=pt, to the kernel arguments, and reboot',
        },
      ];
    },
  },
  selinux: {
    code: 'host-no-selinux',
    look: async (host) => {
      const state = await selinuxState(host);
      if (state.known && state.value.mode !== 'disabled') return [];
      return [
        {
          level: 'warning',
          found: 'SELinux is disabled on the host: its engine gives containers no label that a guest could apply',
          needed: 'SELinux on the host, or a label in runtime.guest_selinux_label where the release has it',
          next: 'getenforce',
        },
      ];
    },
  },
  'guest-selinux-image': {
    code: 'guest-image-selinux',
    look: async () => [
      {
        level: 'blocker',
        found: 'the guest images of Kata’s own releases are built without SELinux, and containers do not start in them with this profile',
        needed: 'a guest image that was built with SELINUX=yes, in a bundle of your own',
        next: 'use the profile only with such an image',
      },
    ],
  },
  'qemu-dax': {
    code: 'qemu-dax',
    look: async () => [
      {
        level: 'blocker',
        found:
          'QEMU has a DAX window for shared files only with a patch that it did not take upstream; without it no pod starts (“Property cache-size not found”)',
        needed: 'a release whose QEMU has the property',
        next: 'ask the release’s own: bin/qemu-system-x86_64 -device vhost-user-fs-pci,help | grep cache-size',
      },
    ],
  },
};

/** The findings of one need. A need without a row is a bug of kata-sysext. */
export async function profileNeed(host: HostView, name: string, profile: string): Promise<Finding[]> {
  const need = needs[name];
  if (need === undefined) throw new Error(`overlays/profiles.json names the need ${name}, which has no row`);
  const found = await need.look(host);
  return found.map((finding) => ({ ...finding, code: need.code, subject: profile, found: `profile ${profile}: ${finding.found}` }));
}
