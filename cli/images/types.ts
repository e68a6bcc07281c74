import { exactOptional } from 'valibot';
import { ownShape } from '../components/types.ts';
import { count, digest, listOf, mapOf, oneOf, type Shaped, sha1, tableOf, text } from '../documents/shapes.ts';

/** A file system in one file, which systemd-sysext mounts through a loop device. */
export type ImageFormat = 'squashfs' | 'erofs';

/** In which form a payload is kept: a folder, or an image. */
export type Format = 'directory' | ImageFormat;

/** An entry of an image: a `TreeEntry` whose path is as the host will see it, without the leading '/', with its whole SELinux context. */
export type Labelled = Shaped<typeof labelled>;
const labelled = tableOf({
  path: text,
  kind: oneOf('file', 'directory', 'symlink'),
  mode: count,
  sizeBytes: exactOptional(count),
  digest: exactOptional(digest),
  /** Of the release's files. */
  sha1: exactOptional(sha1),
  target: exactOptional(text),
  context: text,
});

/**
 * What an image says of itself, behind its file system: enough to install it without mounting it. Possibly a hostile one; `requireSane` asks
 * what its names and paths may be.
 */
export type ImageManifest = Shaped<typeof imageManifestShape>;
export const imageManifestShape = tableOf({
  schema: count,
  format: oneOf<ImageFormat>('squashfs', 'erofs'),
  /** Digest of the payload in this form. */
  payload: digest,
  /** Kata's word: 'x86_64'. */
  architecture: text,
  release: text,
  sources: listOf(tableOf({ name: text, digest, sizeBytes: count })),
  /** See `PayloadHandler`. */
  handlers: listOf(
    tableOf({
      name: text,
      release: text,
      family: oneOf('go', 'rust'),
      hypervisor: text,
      shim: text,
      protocol: exactOptional(count),
      configuration: text,
      files: listOf(text),
      own: exactOptional(ownShape),
    }),
  ),
  defaultHandler: text,
  available: listOf(text),
  savedBytes: count,
  extensionRelease: text,
  /** Everything in the file system but its root, sorted by path. Owners are root, times are `epoch`. */
  contents: listOf(labelled),
  /** The files of the release that a host must be able to read while the image is not mounted, by path in the release: configurations. */
  texts: mapOf(text),
  /** Seconds: the time of everything in it. */
  epoch: count,
  /** What made it: 'mksquashfs 4.6.1'. */
  tool: text,
  program: text,
  /** The first bytes of the file: what is mounted. */
  filesystem: tableOf({ sizeBytes: count, digest }),
});
