import type { Host, HostPath, HostView, Stat } from '../host/index.ts';
import { wholePayload } from './payload/index.ts';
import type { PayloadManifest } from './types.ts';

/** Says of a path relative to one of kata-sysext's folders whether the program made it. */
export type IsOwn = (path: string, kind: Stat['kind']) => boolean;

/** Names that the host port uses while it puts a file in place. */
const temporaryName = /^\.[^/]+\.kata-sysext$/;

/** What `makeGeneration` writes. */
export const ofGeneration: IsOwn = (path, kind) => {
  const folder = /^(config(\/[^/]+)?|replaced)$/.test(path);
  if (kind === 'directory') return folder;
  return (
    /^(manifest\.json|record\.json|payload|replaced\/\d+|config\/[^/]+\/(configuration\.toml|config\.d))$/.test(path) || isTemporary(path)
  );
};

export function ofPayload(manifest: PayloadManifest): IsOwn {
  const kinds = new Map(wholePayload(manifest).entries.map((entry) => [entry.path, entry.kind]));
  return (path, kind) => kinds.get(path) === kind;
}

/** Removes what kata-sysext made in `folder`, and the folder if nothing else is in it. Other people's files stay where they are. */
export async function removeOwnFiles(host: Host, folder: HostPath, isOwn: IsOwn): Promise<void> {
  if ((await host.lstat(folder))?.kind !== 'directory') return;
  await clear(host, folder, '', isOwn);
  await dropEmpty(host, folder);
}

/** What `removeOwnFiles` removes, the folder included. */
export async function ownPathsBelow(host: HostView, folder: HostPath, isOwn: IsOwn): Promise<HostPath[]> {
  if ((await host.lstat(folder))?.kind !== 'directory') return [];
  const found = [folder];
  const look = async (below: string): Promise<void> => {
    for (const name of await host.readdir(`${folder}/${below}`)) {
      const path = `${below}${name}`;
      const kind = (await host.lstat(`${folder}/${path}`))?.kind;
      if (kind === undefined || !isOwn(path, kind)) continue;
      found.push(`${folder}/${path}`);
      if (kind === 'directory') await look(`${path}/`);
    }
  };
  await look('');
  return found;
}

async function clear(host: Host, folder: HostPath, below: string, isOwn: IsOwn): Promise<void> {
  for (const name of await host.readdir(`${folder}/${below}`)) {
    const path = `${below}${name}`;
    const kind = (await host.lstat(`${folder}/${path}`))?.kind;
    if (kind === undefined || !isOwn(path, kind)) continue;
    if (kind !== 'directory') await host.unlink(`${folder}/${path}`);
    else {
      await clear(host, folder, `${path}/`, isOwn);
      await dropEmpty(host, `${folder}/${path}`);
    }
  }
}

/** Removes a folder if it is empty and not a mount point. */
export async function dropEmpty(host: Host, path: HostPath): Promise<void> {
  if ((await host.lstat(path))?.kind !== 'directory' || (await host.readdir(path)).length > 0) return;
  if ((await deviceAbove(host, path)) === (await host.lstat(path))?.device) await host.rmdir(path);
}

/** Removes the temporary files that a killed write left in one of kata-sysext's folders. */
export async function dropTemporaries(host: Host, folder: HostPath): Promise<void> {
  for (const name of await host.readdir(folder)) {
    // A folder of that name is not kata-sysext's.
    if (temporaryName.test(name) && (await host.lstat(`${folder}/${name}`))?.kind !== 'directory') await host.unlink(`${folder}/${name}`);
  }
}

function isTemporary(path: string): boolean {
  return temporaryName.test(path.slice(path.lastIndexOf('/') + 1));
}

async function deviceAbove(host: HostView, path: HostPath): Promise<number | undefined> {
  return (await host.stat(path.slice(0, path.lastIndexOf('/')) || '/'))?.device;
}
