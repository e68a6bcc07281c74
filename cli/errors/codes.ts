/** One row a code: exit status (design §6), whether `--allow CODE` may override it, and what `explain CODE` says. */
export interface CodeRow {
  exit: 1 | 2 | 3 | 4 | 5 | 75 | 77;
  overridable: boolean;
  /** A signal that asked for it decides the status: 128 + its number. `exit` is for the rare case without one. */
  bySignal?: true;
  explain: string;
}

const row = (exit: CodeRow['exit'], explain: string, overridable = false): CodeRow => ({ exit, overridable, explain });

/** Every code that an error or a finding may carry. docs/errors.md is made from this table. `explain` asks it for any word: it inherits none. */
export const codes: Record<string, CodeRow> = Object.assign(Object.create(null), {
  // usage
  usage: row(2, 'The command line is wrong: an unknown verb or option, or a value that does not fit.'),
  'unknown-code': row(2, 'explain was asked for a code that this version does not have.'),
  'unknown-generation': row(2, 'The generation number does not exist on this host.'),
  'generated-too-large': row(2, 'What was asked for does not fit into a MachineConfig.'),
  // settings and profiles
  'setting-unknown': row(2, 'The handler’s configuration has no key of this name. The message names the nearest.'),
  'setting-ambiguous': row(2, 'Several tables of the configuration have a key of this name. Name its whole path.'),
  'setting-type': row(2, 'The value is of another kind than the one that the release has there, or cannot be kept exactly.'),
  'setting-refused': row(
    2,
    'The key decides which files of the release a handler runs, or holds a secret. Fragments of your own can have it: see docs/configure.md.',
  ),
  'setting-not-set': row(2, 'Only what was set with --set can be unset.'),
  'setting-overridden': row(
    3,
    'A fragment of the administrator has the same key, and Kata lets fragments win. A warning: the setting does not count.',
  ),
  'settings-not-kept': row(
    3,
    'The command that brings an uninstalled installation back sets the same for all its handlers, and these had something else. A warning: it names the command for them.',
  ),
  'profile-unknown': row(2, 'There is no profile of this name.'),
  'profile-unfit': row(2, 'The profile is not made for this handler, or its configuration lacks a key that the profile sets.'),
  // the bundle
  'bundle-missing': row(4, 'The bundle named on the command line is not there or cannot be read.'),
  'bundle-format': row(4, 'The file is none of .tar, .tar.zst, .tar.xz, .tar.gz, nor an unpacked folder.'),
  'bundle-damaged': row(4, 'The archive ends too early or its compression is broken. Fetch it again.'),
  'bundle-too-large': row(
    4,
    'The bundle takes more than is given to it: memory to decompress it, members, or bytes. A release of Kata stays far below. See docs/install.md.',
  ),
  'bundle-mixed': row(4, 'The archives are of different releases. Name archives of one release.'),
  'bundle-member-escapes': row(4, 'A member has an absolute name, a .. in its name, or a link that leads out of the tree.'),
  'bundle-member-kind': row(4, 'A member is a device, a pipe, a socket, or has set-uid or set-gid bits.'),
  'bundle-member-duplicate': row(4, 'Two members, or two bundles with different bytes, claim the same path.'),
  'bundle-digest': row(4, 'The bytes do not have the digest that was asked for with --digest.'),
  'bundle-layout': row(4, 'The tree is not a Kata release: no opt/kata, no configuration, or an unknown layout.'),
  'bundle-empty-asset': row(4, 'A kernel, image, initrd or program of the bundle has no bytes.'),
  'bundle-no-shim': row(4, 'The shim that the handler needs is not in the bundle. Name the archive that carries it as well.'),
  'bundle-incomplete': row(4, 'A file that the handler’s configuration names is not in the bundle.'),
  'bundle-lacks-handler': row(4, 'An installed or wanted handler is not in the bundle. Name the archive that carries it as well.'),
  'bundle-lacks-setting': row(
    4,
    'The release lacks a key that is set on this host, or has it with another kind of value. Give the setting up first: configure --unset KEY.',
  ),
  'bundle-configuration': row(4, 'A configuration.toml of the bundle cannot be read as TOML 1.0.'),
  // the host
  'host-unknown': row(3, 'A fact that the change depends on is not known. Name it with --backend or --engine.'),
  'host-program-missing': row(3, 'A program that the change needs is not on the host.'),
  'host-etc-unsafe': row(3, '/etc is read-only or transient: wiring would be refused or lost at the next boot.'),
  'host-var-unsafe': row(3, '/var is made anew at each boot: the engine would name files that are gone.'),
  'host-read-only': row(3, 'The folder for the program’s state, or the one for payloads, lies on a file system that cannot be written.'),
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
    'The image gets no copy of the program and no boot guard, so that no boot proves and blesses what it carries. A warning: only the single file brings them.',
  ),
  'baked-owned': row(
    3,
    'What is active came with the OS image and belongs to it: a new image changes it, or takes it away. See docs/bootc.md.',
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
  'sysext-name-taken': row(3, 'Another extension has the name kata: ours would hide it.'),
  'sysext-service-masked': row(3, 'systemd-sysext.service is masked: nothing would be merged, now or at the next boot.'),
  'sysext-foreign-merged': row(
    3,
    'Extensions of others are merged: a refresh takes their files away for milliseconds, and programs started in that moment fail.',
    true,
  ),
  'sysext-foreign-opt': row(
    3,
    'An extension of somebody else brings files below /opt: a refresh makes or remakes /opt as a read-only tree.',
    true,
  ),
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
  'sysext-foreign-masked': row(3, 'Extensions of others are masked. They stay so; this is told for completeness.'),
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
  // images
  'image-kernel': row(
    3,
    'The kernel of this host does not mount images of this format: it lacks the file system, its compression, or loop devices.',
  ),
  'image-blacklisted': row(
    3,
    'modprobe.d or the kernel’s command line keeps the image’s file system from being loaded: at the next boot systemd could not mount the image, and then merges no extension at all.',
  ),
  'image-no-loop': row(3, 'The host has no loop devices, by which systemd mounts images.'),
  'image-policy': row(3, 'systemd is configured to take only signed images, and this version does not sign them.'),
  'image-systemd-old': row(
    3,
    'An image that was made elsewhere fits systemd 252 and later: earlier ones want the very OS version named in it.',
  ),
  'image-tool-missing': row(
    3,
    'The program that makes images of this format is not there. An image that was made on another machine needs none.',
  ),
  'image-tool-old': row(3, 'The program that makes images is too old to be told labels, and the files themselves cannot be labelled here.'),
  'image-damaged': row(
    4,
    'The image is not as it was made: it was cut off or changed, or its file system has other things in it than its manifest lists.',
  ),
  'image-unknown': row(4, 'The file is no image that kata-sysext made, or its end was cut off.'),
  'image-newer': row(4, 'The image was made by a newer kata-sysext.'),
  'overlay-foreign': row(
    3,
    'Extensions of others are merged into /usr or lie ready for it, or somebody mounted something over our overlay: neither may hide or lose the other.',
  ),
  'overlay-nested-mounts': row(3, 'Something is mounted below /usr: an overlay over /usr would hide it.'),
  'overlay-depth': row(
    3,
    'The kernel stacks two overlays at most. Ours must leave one for extensions of others, and a composefs root is one already.',
  ),
  'overlay-inside-usr': row(3, 'The payload would lie below /usr itself, which an overlay cannot have as a layer besides.'),
  'overlay-unit-taken': row(
    3,
    'The unit that would mount the overlay at boot is masked, or a unit of that name was made by somebody else.',
  ),
  'overlay-missing': row(3, 'The host lacks a program that mounts the overlay at boot: sh, grep, mount, umount, mountpoint.'),
  'overlay-usr-read-only': row(3, 'A warning: /usr can be written now, and is read-only as long as the overlay is mounted.'),
  'engine-missing': row(3, 'No supported container engine was found.'),
  'engine-unsupported': row(3, 'The engine, its version or the shape of its configuration is not one that this version can edit safely.'),
  'engine-rendered': row(
    3,
    'Another program writes the configuration that the node’s containerd reads: k3s, RKE2, k0s and microk8s start a containerd of their own, and nodeadm (EKS) writes the file again at each boot. An edit would be read by nobody, or be lost at the next boot. The program edits none of these inputs yet; see docs/hosts.md.',
  ),
  'engine-config-invalid': row(
    3,
    'The engine’s own configuration does not load, is too large, or has keys that no engine has (__proto__).',
  ),
  'engine-config-mixed': row(3, 'The configuration files have tables of different schema versions; which one wins depends on their order.'),
  'engine-foreign-handler': row(3, 'A handler of the wanted name is already defined by somebody else.'),
  'engine-pending-edits': row(
    3,
    'The engine’s configuration or binary is newer than the running process: our restart would apply somebody else’s change.',
    true,
  ),
  'engine-restart-kills': row(3, 'A restart of the engine would kill running containers.', true),
  'engine-unhealthy': row(
    3,
    'The engine or one of its dependents is not healthy before the change; the gate could not tell what we broke.',
  ),
  'engine-rejects': row(
    3,
    'The engine’s own binary does not accept the planned configuration, or it would change more than the plan names.',
  ),
  'shim-protocol': row(
    3,
    'The engine does not speak the version of containerd’s shim protocol that the release’s shim speaks: no pod of it would start, and no further container in running pods.',
  ),
  'shim-protocol-unknown': row(3, 'Whether the engine and the release’s shim speak the same protocol cannot be told. A warning.'),
  'shim-protocol-mixed': row(
    3,
    'Sandboxes of a shim with another protocol are running. This version of the engine loses containers that the new shim starts in them at its next restart.',
    true,
  ),
  'engine-forgets-containers': row(
    3,
    'At a restart the engine forgets the containers in running sandboxes of such shims (containerd issue 10811): they count as ended, and the kubelet starts them anew. A warning, unless the change itself restarts the engine.',
    true,
  ),
  'handler-unknown': row(3, 'No handler of this name is known.'),
  'handler-in-use': row(3, 'Sandboxes of the handler are running. Stop the pods first.'),
  'handler-needs-vsock': row(3, 'There is no /dev/vhost-vsock: guests of QEMU could not talk to their shim. A warning.'),
  'handler-needs-snp': row(
    3,
    'The handler makes confidential guests with AMD SEV-SNP, which this host does not have switched on. A warning.',
  ),
  'handler-needs-tdx': row(
    3,
    'The handler makes confidential guests with Intel TDX, which this host does not have switched on. A warning.',
  ),
  'handler-needs-se': row(3, 'The handler makes guests with IBM Secure Execution, which this host does not have switched on. A warning.'),
  'handler-needs-iommu': row(3, 'The handler hands GPUs to its guests by VFIO, and this host has no IOMMU groups. A warning.'),
  'handler-needs-peer': row(3, 'The handler starts its guests through a cloud-api-adaptor, whose socket is not there. A warning.'),
  'handler-needs-block-devices': row(
    3,
    'The handler needs a snapshotter that gives block devices, such as devmapper, which is for the engine’s administrator to set up. A warning.',
  ),
  'handler-needs-host-kernel': row(
    3,
    'The handler’s configuration names a guest kernel on the host itself, which is not there. A warning.',
  ),
  'handler-not-installed': row(3, 'The handler or alias that the command names is not installed here.'),
  'handler-family': row(
    3,
    'A handler would change between the Go and the Rust shim. They read different settings, so it is never done silently: remove and add it in one command.',
  ),
  'last-handler': row(3, 'No handler would be left. To take Kata off the host there is uninstall, which also removes the generations.'),
  'alias-would-dangle': row(3, 'An alias leads to a handler that would go. Give the alias another handler, or let it go as well.'),
  'nothing-installed': row(3, 'There is no active generation on this host.'),
  'nothing-staged': row(3, 'No generation waits to be activated. install --stage makes one.'),
  'no-previous-generation': row(3, 'There is no earlier generation to go back to.'),
  'nothing-to-adopt': row(3, 'What adopt was asked to take over is not on this host, or it is the program’s own already.'),
  'adopt-unproven': row(
    3,
    'What is on the host is not what its records say, so it is not taken over: files, wiring, or what the engine makes of it.',
  ),
  'owned-by-machineconfig': row(
    3,
    'The change would touch a file that a MachineConfig of the cluster owns. The operator would mark the node as degraded; change the MachineConfig instead.',
  ),
  'layer-pending': row(3, 'Another deployment waits for the next boot, or rpm-ostree is at work. Boot into it, or drop it, first.'),
  'layer-stays': row(3, 'A note: the layered package is still on the host, or goes at the next boot. Nothing of ours ever reboots.'),
  'path-escapes': row(3, 'A link on the host leads out of the root.'),
  'foreign-edit': row(3, 'Text of ours in a configuration file was changed or removed by somebody else; it is left as it is.'),
  'foreign-file': row(3, 'A file where ours should be was made by somebody else.'),
  'payload-damaged': row(3, 'Files of the payload that the change would activate are missing or differ. Install that release again.'),
  'state-damaged': row(3, 'A file of kata-sysext’s own state is not as the program writes it. Nothing is guessed from it.'),
  'journal-newer': row(3, 'The journal or a manifest was written by a newer version of the program. Use that one.'),
  'journal-foreign': row(3, 'The journal belongs to another machine or another deployment.'),
  'journal-open': row(3, 'An interrupted change is not settled. Run recover first; changing verbs do it by themselves.'),
  // running
  failed: row(1, 'The change failed; the host is as it was.'),
  'gate-failed': row(1, 'The result was not proven to work; the host was put back.'),
  'sysext-refresh-failed': row(1, 'The refresh of system extensions did not bring what it should; the host was put back.'),
  'overlay-mount-failed': row(1, 'Our overlay of /usr did not become what it should; the host was put back.'),
  interrupted: {
    ...row(1, 'A signal, such as ^C, asked the change to end; the host is as it was. After the commit a signal changes nothing any more.'),
    bySignal: true,
  },
  'drift-found': row(1, 'verify found files, links or wiring that differ from the active generation.'),
  'guest-failed': row(
    1,
    'verify --boot-guest started the installed hypervisor, and its guest did not come up, or its files or configuration are such that the shim would refuse them.',
  ),
  'not-restored': row(5, 'The change failed and something could not be put back. The message lists what and the commands.'),
  'edited-meanwhile': row(5, 'A file of the change was edited by somebody else while it ran.'),
  'lock-held': row(75, 'Another change is running.'),
  'needs-root': row(77, 'Changing a live host needs root.'),
  internal: row(1, 'A fault of the program itself. Please report it with the output of --json.'),
});

/** The row of a code. An unknown code is a fault of the program and counts as `internal`. */
export function codeRow(code: string): CodeRow {
  return codes[code] ?? codes['internal']!;
}

/** The exit status of a code in words: '3', or '128 + N' where a signal decides. */
export function exitText({ exit, bySignal }: CodeRow): string {
  return bySignal === true ? '128 + N' : String(exit);
}
