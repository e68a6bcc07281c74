import type { Digest, HostPath } from '../host/index.ts';

/** Where things are on a host; ARCHITECTURE.md#on-a-host has the table. */
export const stateFolder: HostPath = '/var/lib/kata-sysext';
export const generationsFolder: HostPath = `${stateFolder}/generations`;
export const manifestsFolder: HostPath = `${stateFolder}/payloads`;
/** Manifests of the copies of this program. */
export const programsFolder: HostPath = `${stateFolder}/programs`;
export const journalFolder: HostPath = `${stateFolder}/journal`;
export const historyFolder: HostPath = `${stateFolder}/history`;
/** Copies that the engine's own binary is asked about before anything is changed. */
export const scratchFolder: HostPath = `${stateFolder}/scratch`;
/** Room for the boot guard. */
export const reservedSpaceFile: HostPath = `${stateFolder}/reserved-space`;
/** Catalogues of releases that the administrator added: they stay at an uninstall. */
export const cataloguesFolder: HostPath = `${stateFolder}/catalogues`;
export const lockFile: HostPath = `${stateFolder}/lock`;
/** The highest generation number ever given: part of the history, so that it outlives an uninstall. */
export const sequenceFile: HostPath = `${historyFolder}/sequence`;
/** Which folders kata-sysext made outside its own. */
export const foldersFile: HostPath = `${stateFolder}/folders.json`;
/** Where an OS image has what other hosts keep in `stateFolder`: /var is no part of an image. */
export const imageState: HostPath = '/usr/lib/kata-sysext';
/** Records of the generations that images brought to this host, by the digest of their manifest. */
export const imageRecords: HostPath = `${stateFolder}/image`;
/** What the node remembers of requests: see `apply`. */
export const requestsFile: HostPath = `${stateFolder}/requests.json`;
/** What a node pod puts on its node: readable by root only. */
export const podFolder: HostPath = `${stateFolder}/pod`;
export const etcFolder: HostPath = '/etc/kata-sysext';
export const pointer: HostPath = `${etcFolder}/current`;
/** Manifests of the copies of this program in the image that is booted. */
export const imagePrograms: HostPath = `${imageState}/programs`;
/** What a node says of the request that it was given: see `apply`. In /etc, because confined containers may read files of etc_t alone. */
export const reportFile: HostPath = `${etcFolder}/report.json`;
export const fragmentsFolder: HostPath = '/etc/kata-containers';

/**
 * The folder that holds payloads and their staging. On ostree hosts, and wherever a policy is loaded, it lies below /usr/local (on ostree
 * → /var/usrlocal): its stock labels (bin_t, lib_t, usr_t) are ones that a VMM may read and execute, and a relabel changes nothing there.
 * Below /var everything would be var_lib_t, which a VMM may not even read (docs/facts/selinux.md#what-a-virtual-machine-may-read).
 * Elsewhere it is a folder of its own in /var.
 */
export function payloadRoot(labelled: boolean): HostPath {
  return labelled ? '/usr/local/libexec/kata-sysext' : stateFolder;
}

/** The same in an OS image: bin_t by both policies, which a VMM may run and read; and no image has it as a link to /var. */
export const imageRoot: HostPath = '/usr/libexec/kata-sysext';

/**
 * The generation that an OS image carries. A booted host sees one image at most, so that this number is free for it whatever was installed
 * here before; and the pointer is the same in every image, so that an update of the OS finds nothing to merge in it.
 */
export const imageNumber = 0;

const roots = [payloadRoot(true), payloadRoot(false), imageRoot];

/** A payload has the form of a system extension, whatever backend shows it: this is its folder. */
export function extensionFolder(root: HostPath, digest: Digest): HostPath {
  return `${root}/tree/${hexOf(digest)}`;
}

/**
 * Where the release's own tree lies in an extension, and so where it is seen below /usr. Not /usr/libexec, which the policies label by a
 * rule of its own: below /usr/share only the rules for any path of /usr hold, which are those of the store below /usr/local. So files in
 * folders, which have one label for both places, have the stock label of both (overlays/labels.json).
 */
export const insideExtension = 'usr/share/kata';

/** The folder of the extension around a payload's tree. */
export function extensionAround(payloadFolder: HostPath): HostPath {
  return payloadFolder.slice(0, -insideExtension.length - 1);
}

/** The name of the extension: that of the link in /etc/extensions, and the end of the release file's name. */
export const extensionName = 'kata';
export const extensionRelease = `usr/lib/extension-release.d/extension-release.${extensionName}`;

/**
 * The name of a payload's image in its folder: some versions of systemd tell the extension's name by its target's
 * (docs/facts/systemd.md#names-and-architectures).
 */
export const imageName = `${extensionName}.raw`;

export function payloadFolder(root: HostPath, digest: Digest): HostPath {
  return `${extensionFolder(root, digest)}/${insideExtension}`;
}

/** Where a damaged payload waits until its successor is in place; `tidy` finishes or undoes that. */
export function damagedPayload(folder: HostPath): HostPath {
  return `${folder}.damaged`;
}

export function stagingFolder(root: HostPath): HostPath {
  return `${root}/staging`;
}

/** Copies of this program by version; `bin` is what gives them a stock label that systemd may execute, below /usr/local. */
export function binFolder(root: HostPath, version?: string): HostPath {
  return version === undefined ? `${root}/bin` : `${root}/bin/${version}`;
}

export function programPath(root: HostPath, version: string): HostPath {
  return `${binFolder(root, version)}/kata-sysext`;
}

export function programManifest(version: string): HostPath {
  return `${programsFolder}/${version}.json`;
}

export function payloadManifest(digest: Digest): HostPath {
  return `${manifestsFolder}/${hexOf(digest)}.json`;
}

/** The same of a payload in the image that is booted. */
export function imageManifest(digest: Digest): HostPath {
  return `${imageState}/payloads/${hexOf(digest)}.json`;
}

/** Where the manifest and the record of a generation are, on every host; of that of an image the record of a booted host is in `imageRecords`. */
export function generationFolder(number: number): HostPath {
  if (number === imageNumber) return `${imageState}/generations/${number}`;
  return `${generationsFolder}/${number}`;
}

/** Other programs' files with their attributes, as they were before a generation replaced the wiring in them: only root may enter the folder. */
export function replacedFolder(number: number): HostPath {
  return `${generationFolder(number)}/replaced`;
}

/**
 * Where a generation of a payload of this root has what engines and shims read. A confined engine may neither read files nor follow links
 * that are var_lib_t, and a relabel gives everything below /var/lib that label: so it lies beside the payloads.
 */
export function readableFolder(payloadFolder: HostPath, number: number): HostPath {
  const root = roots.find((each) => payloadFolder.startsWith(`${each}/`)) ?? stateFolder;
  return `${root}/generations/${number}`;
}

/** Where a generation has what engines and shims read. */
export function folderOf(manifest: { number: number; folder?: HostPath | undefined }): HostPath {
  return manifest.folder ?? generationFolder(manifest.number);
}

/** The number of the generation that a pointer names; undefined for a link that is not kata-sysext's. */
export function numberAt(target: string | undefined): number | undefined {
  const root = roots.find((each) => target?.startsWith(`${each}/generations/`));
  const name = root === undefined ? '' : (target ?? '').slice(`${root}/generations/`.length);
  const given = root === imageRoot ? name === String(imageNumber) : /^[1-9]\d{0,8}$/.test(name);
  return given ? Number(name) : undefined;
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
