import { type CodeRow, row } from './row.ts';

export const bundleCodes: Record<string, CodeRow> = {
  'bundle-missing': row(4, 'The bundle named on the command line is not there or cannot be read.'),
  'bundle-format': row(4, 'The file is none of .tar, .tar.zst, .tar.xz, .tar.gz, nor an unpacked folder.'),
  'bundle-damaged': row(4, 'The archive ends too early or its compression is broken. Fetch it again.'),
  'bundle-too-large': row(
    4,
    'The bundle takes more than is given to it: memory to decompress it, members, or bytes. A release of Kata stays far below. See docs/reference/bundles.md.',
  ),
  'bundle-mixed': row(4, 'The archives are of different releases. Name archives of one release.'),
  'bundle-member-escapes': row(4, 'A member has an absolute name, a .. in its name, or a link that leads out of the tree.'),
  'bundle-member-kind': row(4, 'A member is a device, a pipe, a socket, or has set-uid or set-gid bits.'),
  'bundle-member-duplicate': row(4, 'Two members, or two bundles with different bytes, claim the same path.'),
  'bundle-name-taken': row(
    4,
    'Two files of the release would get one name in the payload, where programs lie in folders bin and shared libraries in folders lib, because SELinux policies label by the names of folders. Rename one of them if the bundle is your own.',
  ),
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
};
