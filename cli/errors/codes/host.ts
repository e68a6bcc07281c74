import { type CodeRow, row } from './row.ts';

/** Codes of the host, its backends and extensions. */
export const hostCodes: Record<string, CodeRow> = {
  'host-unknown': row(3, 'A fact that the change depends on is not known. Name it with --backend or --engine.'),
  'host-program-missing': row(3, 'A program that the change needs is not on the host.'),
  'host-etc-unsafe': row(3, '/etc is read-only or transient: wiring would be refused or lost at the next boot.'),
  'host-var-unsafe': row(3, '/var is new at each boot: the engine would name files that are gone.'),
  'host-read-only': row(3, 'The folder for the program’s state, or the one for payloads, lies on a file system that cannot be written.'),
  'trust-unfit': row(3, 'A file of /etc/kata-sysext/trust.d cannot be understood, so that what the host demands is not known.'),
  'host-file-unfit': row(3, 'A file of the host is a pipe, a device or a socket, or larger than any file of its kind: it is not read.'),
  'host-space': row(
    3,
    'A file system has less room than the change needs: payload, staging, the copy of the program, generation, journal and reserved room count, with what lies there already.',
  ),
  'host-space-kubelet': row(
    3,
    'After the change a file system would have less free than the host’s kubelet wants: it would evict pods or remove images. The message names the threshold and where it is set.',
    true,
  ),
  'host-architecture': row(3, 'The bundle was made for another architecture.'),
  'host-no-kvm': row(3, '/dev/kvm is missing: pods of these handlers could not start. A warning: the installation itself works.'),
  'host-kvm-no-guest': row(
    3,
    '/dev/kvm is there, but KVM runs no guest: check made a virtual machine of one page and had it run a few instructions, and a step of that failed; the message names the step and its error. A warning: the installation itself works.',
  ),
  'host-kvm-unasked': row(
    3,
    '/dev/kvm is there, and check could not ask KVM to run a guest: the program runs from its sources, this user may not open the device, or no folder of the host lets a program run. Nothing is known to be wrong.',
  ),
  'host-kvm-fails': row(
    3,
    '/dev/kvm is there, but the hypervisor runs no guest with it: seen by starting one. No pod of the handler would start. With --tcg, verify --boot-guest emulates the guest instead and only warns.',
  ),
  'guest-not-drivable': row(
    3,
    'verify --boot-guest cannot start this hypervisor or this guest without its shim, for example because the hypervisor is a part of the shim or the guest is confidential. Only a pod proves it.',
  ),
  'host-hugepages': row(3, 'The profile needs huge pages, and none are reserved: no pod of the handler would start.', true),
  'host-iommu': row(3, 'The profile needs an IOMMU, and the kernel has no IOMMU groups. A warning: only pods with devices would fail.'),
  'host-no-selinux': row(3, 'The profile is about SELinux, which is disabled on the host. A warning: containers have no label then.'),
  'guest-image-selinux': row(3, 'The profile needs a guest image that was built with SELinux, which Kata’s own are not.', true),
  'qemu-dax': row(3, 'The profile needs a QEMU with a DAX window, which upstream QEMU does not have.', true),
  'host-selinux-type': row(3, 'A label that the files need does not exist in the loaded policy.'),
  'host-selinux-denies': row(
    3,
    'The host’s SELinux policy denies what a pod needs: asked of the kernel for the domains of the engine, its shim and the virtual machine. The message has the rule that is missing. A warning where SELinux, or the domain, is permissive. See docs/reference/selinux.md.',
    true,
  ),
  'host-selinux-unasked': row(
    3,
    'The kernel’s SELinux policy was not asked whether a pod may start, or did not answer. A warning: nothing is known against it.',
  ),
  'host-no-systemd': row(
    3,
    'The host runs systemd, but it answers neither on the message bus nor at its own socket: nothing could be restarted or put back.',
  ),
  'host-busy': row(3, 'A program of root, another installer or an OS transaction, holds its own lock. --wait SECONDS waits for it.', true),
  'state-unsafe': row(
    3,
    'A folder in which kata-sysext keeps its state belongs to another user, or others may write to it: what lies in it cannot be trusted.',
    true,
  ),
  'backend-unfit': row(3, 'The backend cannot work on this host.'),
  'backend-read-only': row(3, 'The folder for payloads lies on a file system that cannot be written now.'),
  'baked-live': row(3, 'The backend baked makes a generation that is part of an OS image. A host that runs has its image already.'),
  'baked-no-guard': row(
    3,
    'The image gets no copy of the program and no boot guard, so that no boot proves and confirms what it carries. A warning: only the single file brings them.',
  ),
  'baked-owned': row(
    3,
    'What is active came with the OS image and belongs to it: a new image changes it, or takes it away. See docs/guides/os-images.md.',
  ),
  'baked-taken': row(3, 'The tree of the image has a generation already, and an image carries one. Take that off the tree first.'),
  'sysext-missing': row(3, 'The host has no systemd-sysext, or its systemd cannot be told: systemd 248 and later have it.'),
  'sysext-systemd-old': row(
    3,
    'Before systemd 257 a refresh hides mounts below /usr, before 256 its failure ends with 0, and before 254 it takes all extensions away for a moment. Backend prefix has none of this.',
    true,
  ),
  'sysext-mislabels-usr': row(
    3,
    'Before systemd 257 a merge gives /usr itself the label of a tmpfs; with SELinux enforcing that is a wrong label on the whole tree.',
    true,
  ),
  'sysext-name-taken': row(3, 'Another extension has the name kata: the one of kata-sysext would hide it.'),
  'sysext-service-masked': row(3, 'systemd-sysext.service is masked: nothing would be merged, now or at the next boot.'),
  'sysext-foreign-merged': row(
    3,
    'Extensions of others are merged: a refresh takes their files away for milliseconds, and programs started in that moment fail.',
    true,
  ),
  'sysext-foreign-opt': row(3, 'An extension of another program has files below /opt: a refresh mounts /opt read-only.', true),
  'sysext-foreign-dormant': row(
    3,
    'Extensions of others lie in the search folders but are not merged as they are now: a refresh would activate them.',
    true,
  ),
  'sysext-foreign-removed': row(
    3,
    'Extensions of others are merged but gone from the search folders: a refresh would take their files away.',
    true,
  ),
  'sysext-foreign-restart': row(
    3,
    'Before systemd 254 a refresh is a stop and a start, which would take away extensions of others, or bring in those that lie ready.',
  ),
  'sysext-foreign-broken': row(
    3,
    'Something among the extensions is none: one such file makes every refresh fail, or takes all extensions away.',
  ),
  'sysext-foreign-masked': row(3, 'Extensions of others are masked. They stay masked. A note.'),
  'sysext-nested-mounts': row(
    3,
    'Something is mounted below /usr: several versions of systemd hide or lose such mounts at a refresh.',
    true,
  ),
  'sysext-depth': row(
    3,
    'The kernel does not stack another overlay on /usr: at most two lie on top of each other, and a composefs root is one.',
  ),
  'sysext-inside-usr': row(
    3,
    'The payload would lie below /usr itself, which becomes read-only and cannot be merged with a part of itself.',
  ),
};
