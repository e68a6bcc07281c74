import type { SourceRecord, TreeEntry } from '../bundle/types.ts';
import type { Digest } from '../host/types.ts';
import type { LaidHandler } from '../layout/types.ts';

/** A file system in one file, which systemd-sysext mounts through a loop device. */
export type ImageFormat = 'squashfs' | 'erofs';

/** In which form a payload is kept: a folder, or an image. */
export type Format = 'directory' | ImageFormat;

/** An entry of an image: its path as the host will see it, without the leading '/', and its whole SELinux context. */
export interface Labelled extends TreeEntry {
  context: string;
}

/** What an image says of itself, behind its file system: enough to install it without mounting it. */
export interface ImageManifest {
  schema: number;
  format: ImageFormat;
  /** Digest of the payload in this form. */
  payload: Digest;
  /** Kata's word: 'x86_64'. */
  architecture: string;
  release: string;
  sources: SourceRecord[];
  handlers: LaidHandler[];
  defaultHandler: string;
  available: string[];
  savedBytes: number;
  /** The text of the extension-release file. */
  extensionRelease: string;
  /** Everything in the file system but its root, sorted by path. Owners are root, times are `epoch`. */
  contents: Labelled[];
  /** The files of the release that a host must be able to read while the image is not mounted, by path in the release: configurations. */
  texts: Record<string, string>;
  /** Seconds: the time of everything in it. */
  epoch: number;
  /** What made it: 'mksquashfs 4.6.1'. */
  tool: string;
  program: string;
  /** The first bytes of the file: what is mounted. */
  filesystem: { sizeBytes: number; digest: Digest };
}
