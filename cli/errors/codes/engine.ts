import { type CodeRow, row } from './row.ts';

/** Codes of engines, shims, handlers and the state. */
export const engineCodes: Record<string, CodeRow> = {
  'engine-missing': row(3, 'No supported container engine was found.'),
  'engine-unsupported': row(3, 'The engine, its version or the shape of its configuration is not one that this version can edit safely.'),
  'engine-rendered': row(
    3,
    'Another program writes the configuration that the node’s containerd reads: microk8s starts a containerd of its own, and the node images of some clouds write the file again. The engine would not read an edit, or the next boot would remove it. On a node of k3s, RKE2, k0s or EKS another engine was named: --engine k3s, rke2, k0s or nodeadm is the one to wire. See docs/reference/hosts.md.',
  ),
  'engine-config-invalid': row(
    3,
    'The engine’s own configuration does not load, is too large, or has keys that no engine has (__proto__).',
  ),
  'engine-config-generated': row(
    3,
    'Another program that kata-sysext does not know writes the engine’s main file again: a comment ahead of its settings says so, or the unit runs a command on it before each start. On containerd 2.x the handlers are beside that file, so that they stay; elsewhere an edit is lost when the file is written again. A note or a warning.',
  ),
  'engine-first-start': row(
    3,
    'A note: the engine does not run, and its renderer starts it for the first time at a boot, as nodeadm does on an EKS node. So it is in a builder of AMIs that has booted. A change writes the files, restarts nothing, and the first boot proves it.',
  ),
  'engine-user-data': row(
    3,
    'What a node’s user data says of containerd is not known here. A warning: nodeadm (EKS) merges it with the handlers, and drops settings of another schema without a word. The boot guard compares both at each boot.',
  ),
  'engine-config-mixed': row(
    3,
    'The configuration files have tables of different schema versions; which one wins depends on their order. On a live host with containerd 2.x they are taken where its own dump has every handler. A note or a warning where the main file below a root file is yet to come, and its schema is not known.',
  ),
  'engine-key-removed': row(
    3,
    'The node’s own configuration has a key that the installed containerd does not read any more. A warning: kata-sysext leaves the file as it is.',
  ),
  'engine-file-linked': row(
    3,
    'A file of the engine has got another name (a hard link) since kata-sysext wrote to it, as a backup makes it. The change writes a file of its own, and the other names keep the text of before. A warning.',
  ),
  'engine-foreign-handler': row(3, 'A handler of the wanted name is already defined by another program or user.'),
  'engine-pending-edits': row(
    3,
    'The engine’s configuration or binary is newer than the running process: a restart by kata-sysext would apply a change of another program or user.',
    true,
  ),
  'engine-restart-kills': row(3, 'A restart of the engine would kill running containers.', true),
  'engine-sets-no-labels': row(
    3,
    'SELinux enforces on the host, and the engine gives pods no labels (containerd and k0s: enable_selinux, CRI-O: selinux, k3s and RKE2: --selinux, Docker: selinux-enabled). Pods and virtual machines run in the engine’s domain then. The switch is one for all pods of a node, so kata-sysext turns it on only where that is allowed: install with --allow engine-selinux. Or set it yourself, restart the engine, then check the pods that run. A warning.',
  ),
  'engine-selinux': row(
    3,
    'With --allow, a change also turns on the engine’s SELinux labels, by an edit of its own: for every pod of the node, which starts in its own domain from then on. Without it, kata-sysext leaves the switch as it is. Uninstall and rollback take the edit out again. A warning in the plan that has the edit.',
    true,
  ),
  'engine-gone': row(
    3,
    'One of several engines that a generation is wired into is not on the host any more. With --allow, the change takes kata-sysext’s text out of the files of that engine and goes on with the others; to wire it again later, uninstall and install with all names. The boot guard does so unasked where it has to roll back.',
    true,
  ),
  'engine-masked': row(
    3,
    'The engine’s unit is masked in the tree: it links to /dev/null, so that no boot starts the engine. A warning, with the command that unmasks it.',
  ),
  'engine-unhealthy': row(
    3,
    'The engine or one of its dependents is not healthy before the change; the gate could not tell what the change broke.',
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
    'At a restart the engine forgets the containers in running sandboxes of such shims (containerd issue 10811): they count as ended, and the kubelet starts them again. A warning, unless the change itself restarts the engine.',
    true,
  ),
  'engine-template-pending': row(
    3,
    'A template of k3s or RKE2 was not rendered as it is. The next start takes it, and only that shows whether containerd reads the result. A note; a warning where it has a table that its base may have too.',
  ),
  'engine-older-release': row(
    3,
    'A note of k3s and RKE2: the wiring is a drop-in, which an older release does not read. After a downgrade the boot guard needs one boot more to move it into a template.',
  ),
  'handler-unknown': row(3, 'No handler of this name is known.'),
  'handler-in-use': row(3, 'Sandboxes of the handler are running (with Docker: containers). Stop the pods or containers first.'),
  'handler-stranded': row(
    3,
    'Stopped containers of an engine were made with a handler that goes, and cannot be started without it. A warning.',
  ),
  'handler-is-default': row(
    3,
    'The engine’s configuration names a handler that the change removes as the default one. Docker and CRI-O would not start, containerd would serve no pod. Name another default first. Of a tree, and of an engine that does not run, the files are read. At a boot the generation stays as it is; with Docker only the key stays, with a warning.',
  ),
  'podman-krun': row(
    3,
    'A note or a warning of check --engine podman, which is refused: whether Podman’s own way to a virtual machine works here, the program krun with libkrun and KVM. It is not Kata, and kata-sysext sets nothing up for it.',
  ),
  'docker-limits': row(3, 'A note at the first wiring into Docker: what Kata does not do there. See docs/facts/docker.md.'),
  'handler-needs-module': row(
    3,
    'A kernel module that pods of the handler need is not loaded and cannot be: the kernel has none, or modprobe.d denies it, or modprobe failed. A warning: the installation itself works.',
  ),
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
  'alias-would-dangle': row(3, 'An alias points at a handler that would be removed. Give the alias another handler, or remove it too.'),
  'nothing-installed': row(3, 'There is no active generation on this host.'),
  'nothing-staged': row(3, 'No generation waits to be activated. install --stage makes one.'),
  'no-previous-generation': row(3, 'There is no earlier generation to go back to.'),
  'nothing-to-adopt': row(3, 'What adopt was asked to take over is not on this host, or it is the program’s own already.'),
  'kata-deploy-runs': row(3, 'kata-deploy is on this node, and would write again what is taken away. Uninstall it from the node first.'),
  'kata-deploy-settings': row(
    3,
    'Settings that users gave to kata-deploy go with it, and are not taken over. Copy the files that the message names, then allow it.',
    true,
  ),
  'kata-deploy-leaves': row(3, 'A note or a warning: something that kata-deploy left stays, and why.'),
  'kata-deploy-cluster': row(3, 'A note: what of kata-deploy is in the cluster, where no node changes it, and the command.'),
  'adopt-unproven': row(
    3,
    'What is on the host is not what its records say, so it is not taken over: files, wiring, or what the engine makes of it.',
  ),
  'owned-by-machineconfig': row(
    3,
    'The change would touch a file that a MachineConfig of the cluster owns. The operator would mark the node as degraded; change the MachineConfig instead.',
  ),
  'layer-pending': row(3, 'Another deployment waits for the next boot, or rpm-ostree is at work. Boot into it, or drop it, first.'),
  'layer-stays': row(3, 'A note: the layered package is still on the host, or goes at the next boot. kata-sysext never reboots a host.'),
  'pod-image-missing': row(
    3,
    'The node does not have the image that its engine makes sandboxes from, or the engine names none: verify --pod and --prove pod pull nothing.',
  ),
  'pod-no-network': row(
    3,
    'The engine has no CNI configuration, so that it starts no pod. A warning: verify --pod and --prove pod boot the installed guest instead.',
  ),
  'path-escapes': row(3, 'A link on the host leads out of the root.'),
  'foreign-edit': row(
    3,
    'Another program or user changed or removed the text of kata-sysext in a configuration file, or changed one of its units. It is left as it is.',
  ),
  'foreign-file': row(3, 'Another program or user made a file where a file of kata-sysext belongs.'),
  'payload-damaged': row(3, 'Files of the payload that the change would activate are missing or differ. Install that release again.'),
  'state-damaged': row(3, 'A file of kata-sysext’s own state is not as the program writes it. Nothing is guessed from it.'),
  'journal-newer': row(3, 'The journal or a manifest was written by a newer version of the program. Use that one.'),
  'journal-foreign': row(3, 'The journal belongs to another machine or another deployment.'),
  'journal-open': row(3, 'An interrupted change is neither undone nor finished. Run recover first; changing verbs do it by themselves.'),
};
