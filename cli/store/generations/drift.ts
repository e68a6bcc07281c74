import type { HostPath, HostView } from '../../host/index.ts';
import { folderOf, imageNumber } from '../paths.ts';
import type { GenerationManifest } from '../types.ts';
import { linksOf } from './make.ts';

/**
 * What of a generation's own files differs from what was made: configurations and their folders, and the links beside them. The payload is
 * looked at elsewhere.
 */
export async function generationDrift(host: HostView, manifest: GenerationManifest): Promise<{ path: HostPath; found: string }[]> {
  const found: { path: HostPath; found: string }[] = [];
  const note = (path: HostPath, what: string | undefined) => void (what !== undefined && found.push({ path, found: what }));
  for (const { name, configurationDigest } of manifest.handlers) {
    const folder = `${folderOf(manifest)}/config/${name}`;
    const path = `${folder}/configuration.toml`;
    // An image is built by others, who may give it other modes.
    const isOthers = manifest.number === imageNumber;
    note(folder, await oddOne(host, folder, 'directory', isOthers));
    note(
      path,
      (await oddOne(host, path, 'file', isOthers)) ?? ((await host.digest(path)) === configurationDigest ? undefined : 'its bytes differ'),
    );
  }
  for (const [path, target] of linksOf(manifest))
    note(path, (await host.readlink(path)) === target ? undefined : `it does not point at ${target}`);
  return found;
}

/** A shim reads the file as root and starts what it names, so that neither a link nor a pipe may be in its place. */
async function oddOne(host: HostView, path: HostPath, kind: 'file' | 'directory', isOthers: boolean): Promise<string | undefined> {
  const stat = await host.lstat(path);
  if (stat === undefined) return 'it is not there';
  if (stat.kind !== kind) return `it is no ${kind === 'file' ? 'regular file' : 'folder'}`;
  if (isOthers) return undefined;
  if ((stat.mode & 0o022) !== 0) return `others may write to it: its mode is ${stat.mode.toString(8)}`;
  const wanted = kind === 'directory' ? 0o555 : 0o444;
  return (stat.mode & wanted) === wanted ? undefined : `others cannot read it: its mode is ${stat.mode.toString(8)}`;
}
