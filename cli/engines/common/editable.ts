import { posix } from 'node:path';
import { type KataError, pathWord } from '../../errors/index.ts';
import { isMountPoint, renameScopes } from '../../facts/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { unsupported } from './unsupported.ts';

const readOnlyPlaces = ['/usr/', '/nix/', '/snap/', '/sysroot/'];

/** True for what belongs to the operating system's image; /usr/local that leads elsewhere does not. */
export async function isReadOnlyPlace(host: HostView, path: HostPath): Promise<boolean> {
  const real = await host.realpath(path);
  return readOnlyPlaces.some((place) => `${real}/`.startsWith(place));
}

/**
 * Refuses files that a replacement by rename would break: several names for one file, immutable files, no files at all. `mayPart`: several
 * names are no reason, because the file goes, or has a recorded text of kata-sysext: then another name came since, as a backup makes it.
 */
export async function checkEditable(host: HostView, real: HostPath, mayPart = false): Promise<void> {
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
  const file = pathWord(host, real);
  if (await isMountPoint(host, real)) {
    throw unsupported(
      real,
      `${real} is a mount point of its own, which no rename replaces.`,
      'A file that may be replaced.',
      `Look at what is mounted there: findmnt ${file}; take it away: umount ${file}; and put the text into the file below it.`,
    );
  }
  if (stat.links > 1 && !mayPart) throw linked(host, real, stat.links);
  if (await isImmutable(host, real)) {
    throw unsupported(real, `${real} is immutable or append-only.`, 'A file that may be replaced.', `chattr -i -a ${file}`);
  }
}

/** The copy is made where no engine reads files: CRI-O reads every file of its folder. */
function linked(host: HostView, real: HostPath, names: number): KataError {
  const [file, copy] = [real, `/etc/.${posix.basename(real)}.kata-sysext-copy`].map((path) => pathWord(host, path));
  return unsupported(
    real,
    `${real} has ${names} names (hard links): an edit would part them.`,
    'A file with one name.',
    `Break the link: cp -a ${file} ${copy} && mv -f ${copy} ${file}`,
  );
}

async function isImmutable(host: HostView, real: HostPath): Promise<boolean> {
  if (!(await host.has('lsattr'))) return false;
  const listed = await host.run('lsattr', ['-d', await host.locate(real)], { accept: [0, 1] });
  return listed.code === 0 && /[ia]/.test(listed.stdout.split(/\s/)[0] ?? '');
}

/**
 * A folder for the temporary file: on the same mount, and not one that the engine reads files from (`isRead`). The first may have to be made.
 * undefined when there is none but the file's own folder.
 */
export async function temporaryFolder(
  host: HostView,
  real: HostPath,
  isRead: (folder: HostPath) => boolean,
): Promise<HostPath | undefined> {
  const own = posix.dirname(real);
  const folders = ['/etc/kata-sysext', posix.dirname(own), own];
  const scopes = await renameScopes(host, folders);
  return folders.find((folder, index) => !isRead(folder) && scopes[index] === scopes[2]);
}
