import { link as overlayLink, unitFile as overlayUnit } from '../../cli/backends/overlay/paths.ts';
import { imageLink, link, wantsLink } from '../../cli/backends/sysext/paths.ts';
import { folder as podNotes } from '../../cli/pod/notes.ts';
import {
  foldersFile,
  fragmentsFolder,
  generationsFolder,
  historyFolder,
  imageRecords,
  imageRoot,
  imageState,
  journalFolder,
  lockFile,
  manifestsFolder,
  payloadRoot,
  podFolder,
  pointer,
  programsFolder,
  reservedSpaceFile,
  sequenceFile,
} from '../../cli/store/paths.ts';
import { mark } from '../../cli/transaction/changeMarker.ts';

interface HostFile {
  path: string;
  what: string;
  /** Whether the man page has it: what an administrator of any host may look for. */
  man?: true;
}

interface HostFiles {
  title: string;
  /** Why these files are where they are. */
  intro?: string;
  files: HostFile[];
}

const [plain, labelled] = [payloadRoot(false), payloadRoot(true)];

/** Where things are on a host: reference/files.md and the section FILES of the man page are made from this. */
const hostFiles: HostFiles[] = [
  {
    title: 'What is active',
    files: [
      { path: pointer, what: 'Points at the active generation. Nothing else decides what is active.', man: true },
      {
        path: `${fragmentsFolder}/HANDLER.d/`,
        what: 'Settings of the administrator, read after those of the generation. They are never written by kata-sysext.',
        man: true,
      },
      {
        path: '/etc/modules-load.d/kata-sysext.conf',
        what: 'The kernel modules of the handlers, which systemd loads at each boot. In an OS image it is below `/usr/lib/modules-load.d/`.',
      },
      {
        path: mark,
        what: 'Present only while a change is open. An OS update that copies `/etc` in that moment copies this mark too.',
      },
    ],
  },
  {
    title: 'Generations and payloads',
    intro: `A host with ostree or SELinux keeps payloads below \`${labelled}/\`, where the stock labels let an engine and a hypervisor read them.`,
    files: [
      {
        path: `${generationsFolder}/N/`,
        what: 'Generation N: its manifest, its record, and the configuration of each handler.',
        man: true,
      },
      { path: `${generationsFolder}/N/manifest.json`, what: 'What the generation is. It never changes.' },
      {
        path: `${generationsFolder}/N/record.json`,
        what: 'Its state, the generation before it, its wiring, its owner, and which checks were overridden. In a tree also the version that `--engine` named.',
      },
      {
        path: `${generationsFolder}/N/replaced/`,
        what: 'Files of other programs as they were before a change replaced them, with owner, mode and attributes. Only root can read it.',
      },
      {
        path: `${generationsFolder}/N/payload`,
        what: `A link to the payload. On hosts with ostree or SELinux it is in \`${labelled}/generations/N/\`.`,
      },
      {
        path: `${generationsFolder}/N/config/HANDLER/configuration.toml`,
        what: 'What the shim reads. It is beside the link to the payload.',
      },
      {
        path: `${plain}/tree/`,
        what: `Payloads, each named by its digest. On ostree hosts and with SELinux: ${labelled}/tree/.`,
        man: true,
      },
      { path: `${manifestsFolder}/`, what: 'Every file of a payload with its mode and digest.', man: true },
      {
        path: `${plain}/bin/VERSION/kata-sysext`,
        what: `A copy of the single file, for the boot guard. On hosts with ostree or SELinux it is below \`${labelled}/bin/\`.`,
      },
      { path: `${programsFolder}/VERSION.json`, what: 'The manifest of such a copy.' },
    ],
  },
  {
    title: 'Changes',
    files: [
      { path: `${historyFolder}/`, what: 'What each change did, and what was seen when it failed.', man: true },
      { path: sequenceFile, what: 'The highest number that a generation ever had. An uninstall keeps it, `--purge` removes it.' },
      { path: `${journalFolder}/`, what: 'Changes that are not finished. Only `recover` may remove what is here.', man: true },
      { path: lockFile, what: 'Held while a change runs; the kernel frees it.', man: true },
      { path: `${podFolder}/`, what: 'Of the node pod: the program, the request, and the output of a unit that runs.' },
      { path: foldersFile, what: 'Folders that kata-sysext made outside its own. It removes them when they are empty.' },
      { path: reservedSpaceFile, what: 'Reserved room, which the boot guard frees where `/var` is full.' },
      {
        path: `${podNotes}/RUN.json`,
        what: 'A pod that was started as proof. The unit `kata-sysext-pod-RUN.service` removes the pod if its maker is killed.',
      },
    ],
  },
  {
    title: 'The boot guard',
    intro: 'Only the [single file](../guides/single-file.md) brings these. In an OS image they are below `/usr/lib/systemd/system/`.',
    files: [
      {
        path: '/etc/systemd/system/kata-sysext-recover.service',
        what: 'Undoes or finishes an interrupted change, before extensions are merged.',
      },
      { path: '/etc/systemd/system/kata-sysext-rewire.service', what: 'Checks the wiring, before the engine starts.' },
      { path: '/etc/systemd/system/kata-sysext-confirm.service', what: 'Confirms the generation, when the engine runs.' },
      {
        path: '/etc/systemd/system-preset/50-kata-sysext.preset',
        what: 'After an installation on an offline tree: keeps a first boot from disabling the units.',
      },
    ],
  },
  {
    title: 'The container engine',
    files: [
      {
        path: '/etc/containerd/config.toml',
        what: 'containerd 1.x: a marked block in this file. containerd 2.x without a drop-in folder: one line in it.',
      },
      { path: '/etc/containerd/conf.d/kata-sysext.toml', what: 'containerd 2.x, where the main file imports this folder.' },
      { path: '/etc/containerd/kata-sysext.toml', what: 'containerd 2.x, where the main file imports no folder.' },
      {
        path: '/etc/containerd/kata-sysext-root.toml',
        what: 'containerd with a read-only main file: what it reads first. With 2.x it imports the main file and `/etc/containerd/kata-sysext.d/kata-sysext.toml`.',
      },
      { path: '/etc/systemd/system/containerd.service.d/zz-kata-sysext.conf', what: 'The drop-in by which containerd reads that file.' },
      { path: '/etc/crio/crio.conf.d/50-kata-sysext.conf', what: 'CRI-O.' },
      {
        path: '/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d/kata-sysext.toml',
        what: 'k3s whose rendered file imports a folder; of RKE2 below `/var/lib/rancher/rke2`.',
      },
      {
        path: '/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl',
        what: 'k3s and RKE2 otherwise: a marked block at the end of this template or of `config.toml.tmpl`. Where there is none, it is made.',
      },
      { path: '/etc/docker/daemon.json', what: 'Docker: a key for each handler, in this file or in that of `--config-file`.' },
      { path: '/etc/eks/nodeadm.d/90-kata-sysext.yaml', what: 'containerd of an EKS node, as an input of nodeadm.' },
      { path: '/etc/k0s/containerd.d/kata-sysext.toml', what: 'k0s: the handlers as the installed version takes them.' },
      {
        path: '/etc/k0s/kata-sysext/',
        what: 'k0s: both texts of that file, and `choose.sh`, which puts one of them in place before each start of k0s. A drop-in `zz-kata-sysext.conf` of the unit runs it.',
      },
    ],
  },
  {
    title: 'Only with one backend',
    files: [
      { path: link, what: 'Backend sysext: a link to the payload, which enables the extension.' },
      { path: imageLink, what: 'Backend sysext with an image: a link to the image.' },
      { path: wantsLink, what: 'Backend sysext, where nothing else starts this service at boot.' },
      { path: overlayLink, what: 'Backend overlay: a link to what the unit mounts.' },
      { path: overlayUnit, what: 'Backend overlay: the unit that mounts it at boot.' },
      { path: `${imageRoot}/`, what: 'Backend baked: payload, generation 0 and program, in the OS image.' },
      { path: `${imageState}/`, what: 'Backend baked: manifests and record, in the OS image.' },
      {
        path: `${imageRecords}/HEX.json`,
        what: 'Backend baked: the record of the booted image’s generation, by the digest of its manifest.',
      },
    ],
  },
  {
    title: 'Only after `generate`',
    files: [
      { path: '/etc/kata-sysext-first-boot/', what: 'The script of the first boot, and marks of what it installed.' },
      { path: '/var/lib/kata-sysext-first-boot/', what: 'The same marks, for a node that gets a new `/etc`.' },
    ],
  },
];

/** Rows of FILES in the man page. */
export function manFiles(): [string, string][] {
  return hostFiles.flatMap(({ files }) => files.flatMap(({ path, what, man }): [string, string][] => (man === true ? [[path, what]] : [])));
}

/** docs/reference/files.md, in blocks. */
export function filesPage(note: string, table: (heads: string[], rows: string[][]) => string): string[] {
  return [
    '# Files on a host',
    note,
    'This page lists the files that kata-sysext makes or edits on a host. N is the number of a generation or a change, HEX a digest, HANDLER a handler’s name.',
    'Do not edit these files. Your own settings go to `/etc/kata-containers/`, see [settings](../guides/settings.md).',
    ...hostFiles.flatMap(({ title, intro, files }) => [
      `## ${title}`,
      ...(intro === undefined ? [] : [intro]),
      table(
        ['path', 'what'],
        files.map(({ path, what }) => [`\`${path}\``, what]),
      ),
    ]),
  ];
}
