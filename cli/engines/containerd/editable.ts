import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import { unsupported } from './checks.ts';
import { matchesName, patternFolder } from './globs.ts';

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
      `Copy it below /etc, let the engine read the copy (CONTAINERD_CONFIG in a drop-in of containerd.service), and restart the engine.`,
    );
  }
  const stat = await host.lstat(real);
  if (!stat) return;
  if (stat.kind !== 'file')
    throw unsupported(real, `${real} is no regular file.`, 'A regular file.', `Put a regular file in the place of ${real}.`);
  if (stat.links > 1) {
    throw unsupported(
      real,
      `${real} has ${stat.links} names (hard links): an edit would part them.`,
      'A file with one name.',
      `Break the link: cp -p ${real} ${real}.new && mv ${real}.new ${real}`,
    );
  }
  if (await isImmutable(host, real)) {
    throw unsupported(real, `${real} is immutable or append-only.`, 'A file that may be replaced.', `chattr -i -a ${real}`);
  }
}

async function isImmutable(host: HostView, real: HostPath): Promise<boolean> {
  if (!(await host.has('lsattr'))) return false;
  const listed = await host.run('lsattr', ['-d', await host.locate(real)], { accept: [0, 1] });
  return listed.code === 0 && /[ia]/.test(listed.stdout.split(/\s/)[0] ?? '');
}

/** A folder for the temporary file: on the same file system, and not one that the engine reads files from. The first may have to be made. */
export async function temporaryFolder(host: HostView, real: HostPath, patterns: readonly string[]): Promise<HostPath> {
  const device = await deviceOf(host, posix.dirname(real));
  const own = posix.dirname(real);
  for (const folder of ['/etc/kata-sysext', posix.dirname(own), own]) {
    const globbed = patterns.some((pattern) => {
      const at = patternFolder(pattern);
      return at === undefined || (at === folder && matchesName(posix.basename(pattern), '.kata-sysext.tmp'));
    });
    if (!globbed && (await deviceOf(host, folder)) === device) return folder;
  }
  return own;
}

async function deviceOf(host: HostView, folder: HostPath): Promise<number | undefined> {
  for (let at = folder; ; at = posix.dirname(at)) {
    const stat = await host.stat(at);
    if (stat) return stat.device;
    if (at === '/') return undefined;
  }
}
