import { asset } from '../../assets/index.ts';
import type { TreeEntry } from '../../bundle/types.ts';
import { KataError } from '../../errors/index.ts';
import { type Architecture, operatingSystem, systemdVersion } from '../../facts/index.ts';
import { byBytes, type Digest, digestOf, type Host, type HostPath, type HostView } from '../../host/index.ts';
import { versionsName } from '../../sbom/versions.ts';
import { extensionRelease, imageName, insideExtension } from '../paths.ts';
import type { PayloadManifest } from '../types.ts';

/** systemd's own names (docs/facts/systemd.md#names-and-architectures). */
const architectures: Record<Architecture, string> = { x86_64: 'x86-64', aarch64: 'arm64', ppc64le: 'ppc64-le', s390x: 's390x' };

/** systemd knows ID=_any and ARCHITECTURE= from 252 on; before, an extension must name the very OS version that it is for. */
const anySince = 252;

/**
 * The extension-release file of a payload: a release of Kata fits every OS of its architecture. KATA_SYSEXT_PAYLOAD is no word of systemd's;
 * it says which payload is merged.
 */
export async function releaseText(host: HostView, architecture: Architecture, payload: Digest): Promise<string> {
  const systemd = await systemdVersion(host);
  const any = !systemd.known || systemd.value >= anySince;
  const os = await operatingSystem(host);
  const values: Record<string, string> = { architecture: architectures[architecture], payload };
  values['id'] = any ? '_any' : os.known ? os.value.id : '';
  if (!any && os.known) values['version'] = os.value.version;
  if (!any) delete values['architecture'];
  for (const [name, value] of Object.entries(values)) if (!/^[\w.:~+-]*$/.test(value)) throw unfit(name, value);
  const lines = asset('templates/extension-release').split('\n');
  // A line whose value there is none for is left out.
  return lines.flatMap((line) => fill(line, values)).join('\n');
}

function fill(line: string, values: Record<string, string>): string[] {
  const name = /\{\{(\w+)\}\}/.exec(line)?.[1];
  if (name === undefined) return [line];
  const value = values[name];
  return value === undefined || value === '' ? [] : [line.replace(`{{${name}}}`, value)];
}

function unfit(name: string, value: string): KataError {
  return new KataError('host-unknown', {
    subject: 'os-release',
    found: `the ${name} of the operating system is ${JSON.stringify(value)}`,
    needed: 'a plain word, as os-release(5) has it',
    next: 'cat /etc/os-release',
  });
}

/** The architecture that an extension-release file names, in Kata's word. */
export function architectureOfRelease(text: string): Architecture | undefined {
  const word = /^ARCHITECTURE=(\S+)$/m.exec(text)?.[1];
  return (Object.keys(architectures) as Architecture[]).find((each) => architectures[each] === word);
}

/** Which payload an extension-release file belongs to. */
export function payloadOfRelease(text: string | undefined): Digest | undefined {
  return /^KATA_SYSEXT_PAYLOAD=(sha256:[0-9a-f]{64})$/m.exec(text ?? '')?.[1] as Digest | undefined;
}

/** Makes an extension of a staged release tree, beside it; gives the folder, which can be put into the store by one rename. */
export async function wrapExtension(host: Host, tree: HostPath, into: HostPath, release: string): Promise<void> {
  await host.mkdir(into, 0o755);
  for (const folder of foldersAround()) await host.mkdir(`${into}/${folder}`, 0o755);
  await host.writeFile(`${into}/${extensionRelease}`, release, { mode: 0o644 });
  await host.rename(tree, `${into}/${insideExtension}`);
}

function foldersAround(): string[] {
  return [...withParents(parentOf(extensionRelease)), parentOf(insideExtension)];
}

/** The folder that a payload occupies, and every entry in it. */
export function wholePayload(manifest: PayloadManifest): { folder: HostPath; entries: TreeEntry[] } {
  const { extension, entries, image } = manifest;
  const all = image === undefined ? extensionEntries(extension.release, entries) : entriesWithImage(manifest, image);
  return { folder: extension.folder, entries: all.sort((a, b) => byBytes(a.path, b.path)) };
}

/** How many bytes a payload takes on the host. */
export function storedBytes(manifest: PayloadManifest): number {
  return manifest.image === undefined ? manifest.sizeBytes : sizeOf(wholePayload(manifest).entries);
}

function sizeOf(entries: TreeEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0);
}

/** An image in the store, and the texts that lie beside it. Without an extension-release file the folder is no extension itself. */
function entriesWithImage(manifest: PayloadManifest, { sizeBytes, digest }: NonNullable<PayloadManifest['image']>): TreeEntry[] {
  const texts = textsOf(manifest);
  const stored = manifest.entries
    .filter(({ path }) => texts.includes(path))
    .map((entry) => ({ ...entry, path: `${insideExtension}/${entry.path}` }));
  const folders = new Set([insideExtension, ...stored.map(({ path }) => parentOf(path))].flatMap(withParents));
  return [...[...folders].map(directory), ...stored, { path: imageName, kind: 'file', mode: 0o644, sizeBytes, digest }];
}

const maxVersionsBytes = 1024 * 1024;

/** Whether a release has such a file, of a size that is read. */
export function hasVersions(entries: TreeEntry[]): boolean {
  return entries.some(({ path, kind, sizeBytes = 0 }) => path === versionsName && kind === 'file' && sizeBytes <= maxVersionsBytes);
}

/** The files of a payload for its SPDX document. Each has to have its SHA-1: see `withSha1`. */
export function sbomEntries(entries: TreeEntry[]): { path: string; digest: Digest | undefined; sha1: string }[] {
  return entries.flatMap(({ path, digest, sha1 }) => (sha1 === undefined ? [] : [{ path, digest, sha1 }]));
}

/** The files of the release that a host reads while no image is mounted: its handlers' configurations, and the versions of its components. */
export function textsOf({ handlers, entries }: Pick<PayloadManifest, 'handlers' | 'entries'>): string[] {
  return [...new Set([...handlers.map(({ configuration }) => configuration), ...(hasVersions(entries) ? [versionsName] : [])])];
}

function withParents(path: string): string[] {
  const parent = parentOf(path);
  return parent === '' ? [path] : [...withParents(parent), path];
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

function directory(path: string): TreeEntry {
  return { path, kind: 'directory', mode: 0o755 };
}

/** A release's tree as a system extension. */
export function extensionEntries(releaseFile: string, entries: TreeEntry[]): TreeEntry[] {
  const release: TreeEntry = {
    path: extensionRelease,
    kind: 'file',
    mode: 0o644,
    sizeBytes: Buffer.byteLength(releaseFile),
    digest: digestOf(releaseFile),
  };
  const tree = entries.map((entry) => ({ ...entry, path: `${insideExtension}/${entry.path}` }));
  return [...foldersAround().map(directory), directory(insideExtension), release, ...tree];
}
