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
  'download-failed': row(
    4,
    'The file could not be downloaded: the server is not there, is too slow, or broke the connection again and again.',
  ),
  'download-refused': row(
    4,
    'The server is not to be used as it is: its certificate is not trusted, it redirects to http, says that the file is not there, or sends another part than it was asked for.',
  ),
  'release-unknown': row(
    4,
    'The release, or an archive of it for this architecture and these handlers, is not in the catalogue of kata-sysext releases.',
  ),
  'oci-unfit': row(4, 'The artefact is no manifest with one layer that is an archive, or its bytes are not those of its digest.'),
  'catalogue-unfit': row(4, 'The file is no catalogue of releases that releases add takes.'),
  'catalogue-older': row(
    4,
    'The catalogue is older than the one of this name that the host has, or has its serial and another content: an old catalogue may name releases with known faults.',
  ),
  'catalogue-expired': row(4, 'The catalogue was to be used until a time that is over. Its author publishes a new one.'),
  'catalogue-conflict': row(4, 'The catalogue has another digest for an archive than a catalogue that the host already has.'),
  'signature-missing': row(4, 'The host demands signatures (strict in /etc/kata-sysext/trust.d), and the bundle has none.'),
  'signature-unfit': row(4, 'The file is no signature that can be verified.'),
  'signature-key': row(4, 'No key of /etc/kata-sysext/trust.d made the signature, or the key has expired.'),
  'signature-wrong': row(4, 'The bytes are not those that were signed.'),
  'release-older': row(
    3,
    'The release is older than the active one, on a host that demands signatures: who can send an old release can send its known faults. rollback goes back to an earlier generation.',
    true,
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
  'component-missing': row(4, 'The file of --component is not there or cannot be read.'),
  'component-unfit': row(
    4,
    'The file of --component is not what its kind says (a kernel, an image, an initrd, a firmware), or the handler that the alias is based on cannot use it. See docs/guides/own-kernel.md.',
  ),
  'component-changed': row(4, 'The file of --component changed while it was copied, so that what was copied belongs to no moment.'),
  'component-not-kept': row(
    4,
    'An installed alias has a file of the user that this change cannot carry over: no generation on this host has its bytes any more, or an image is installed that does not have the alias. Name the file again, or remove the alias.',
  ),
};
