import { posix } from 'node:path';
import { commandWord } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { unsupported } from './unsupported.ts';

const readOnlyPlaces = ['/usr/', '/nix/', '/snap/', '/sysroot/'];

/** True for what belongs to the operating system's image; /usr/local that leads elsewhere does not. */
export async function isReadOnlyPlace(host: HostView, path: HostPath): Promise<boolean> {
  const real = await host.realpath(path);
  return readOnlyPlaces.some((place) => `${real}/`.startsWith(place));
}

/** Refuses files that a replacement by rename would break: several names for one file, immutable files, no files at all. */
export async function checkEditable(host: HostView, real: HostPath): Promise<void> {
  if (await isReadOnlyPlace(host, real)) {
    throw unsupported(
      real,
      `${real} is part of the read-only operating system.`,
      'A configuration file that may be edited.',
      'Copy it below /etc, let the engine read the copy (CONTAINERD_CONFIG or CONTAINER_CONFIG_DIR in a drop-in of its unit), and restart the engine.',
    );
  }
  const stat = await host.lstat(real);
  if (!stat) return;
  if (stat.kind !== 'file')
    throw unsupported(real, `${real} is no regular file.`, 'A regular file.', `Replace ${real} with a regular file.`);
  if (stat.links > 1) {
    throw unsupported(
      real,
      `${real} has ${stat.links} names (hard links): an edit would part them.`,
      'A file with one name.',
      `Break the link: cp -p ${commandWord(real)} ${commandWord(`${real}.new`)} && mv ${commandWord(`${real}.new`)} ${commandWord(real)}`,
    );
  }
  if (await isImmutable(host, real)) {
    throw unsupported(real, `${real} is immutable or append-only.`, 'A file that may be replaced.', `chattr -i -a ${commandWord(real)}`);
  }
}

async function isImmutable(host: HostView, real: HostPath): Promise<boolean> {
  if (!(await host.has('lsattr'))) return false;
  const listed = await host.run('lsattr', ['-d', await host.locate(real)], { accept: [0, 1] });
  return listed.code === 0 && /[ia]/.test(listed.stdout.split(/\s/)[0] ?? '');
}

/**
 * A folder for the temporary file: on the same file system, and not one that the engine reads files from (`isRead`). The first may have
 * to be made. undefined when there is none but the file's own folder.
 */
export async function temporaryFolder(
  host: HostView,
  real: HostPath,
  isRead: (folder: HostPath) => boolean,
): Promise<HostPath | undefined> {
  const own = posix.dirname(real);
  const device = await deviceOf(host, own);
  for (const folder of ['/etc/kata-sysext', posix.dirname(own), own]) {
    if (!isRead(folder) && (await deviceOf(host, folder)) === device) return folder;
  }
  return undefined;
}

async function deviceOf(host: HostView, folder: HostPath): Promise<number | undefined> {
  for (let at = folder; ; at = posix.dirname(at)) {
    const stat = await host.stat(at);
    if (stat) return stat.device;
    if (at === '/') return undefined;
  }
}
