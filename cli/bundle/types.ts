import type { Fetching } from '../download/types.ts';
import type { Digest } from '../host/types.ts';
import type { Emit } from '../output/events.ts';
import type { ArchiveProver, Proof, Verifier } from '../trust/types.ts';

/** One entry of a release tree. Paths are relative to the release's `opt/kata`, without a leading './'. */
export interface TreeEntry {
  path: string;
  kind: 'file' | 'directory' | 'symlink';
  /** Permission bits only. */
  mode: number;
  /** Files only. */
  sizeBytes?: number | undefined;
  digest?: Digest | undefined;
  /** Files of an image: in hexadecimal, for the SPDX document of a payload. */
  sha1?: string | undefined;
  /** Symlinks only: the target as written; absolute /opt/kata/... targets are made relative while unpacking. */
  target?: string | undefined;
}

/** An archive in a saved bundle. */
export interface ArchiveRecord {
  name: string;
  digest: Digest;
  sizeBytes: number;
  /** Missing where a catalogue of the host has the digest. */
  proof?: Proof | undefined;
}

export interface SourceRecord {
  /** Base name of what was named on the command line; of an address the last part of its path. */
  name: string;
  /** Over exactly the bytes that were unpacked (an archive), or over the canonical listing (a folder). */
  digest: Digest;
  sizeBytes: number;
  /** Who signed it, where that was verified. */
  proof?: Proof | undefined;
  /** Of a saved bundle whose archives were proven one by one. */
  archives?: ArchiveRecord[] | undefined;
}

export interface BundleRequest {
  /** Real paths on this machine (archives or unpacked folders) and https addresses of archives, merged in order. */
  sources: string[];
  /** Real path of an existing empty folder; the tree is made there. Removing it is the caller's duty. */
  into: string;
  /** Which files are written; others are only checked and counted. Directories are made as needed. */
  keep(path: string): boolean;
  /** Files whose text is returned too, written or not; a file that is too long for a configuration is left out. */
  tell?(path: string): boolean;
  /** Wanted digests by position; undefined entries are not checked. */
  digests?: (Digest | undefined)[];
  /** How addresses are downloaded. Each needs a digest or a signature. */
  fetching?: Fetching | undefined;
  /** By position: sees the bytes of the source. */
  verifiers?: (Verifier | undefined)[] | undefined;
  /** By position: the source has to be a saved bundle, and each archive in it has to be proven. */
  provers?: (ArchiveProver | undefined)[] | undefined;
  /** Asked again and again while files are written, with the bytes of the next piece; throws where they do not fit. */
  haveRoom?: ((moreBytes: number) => Promise<void>) | undefined;
  emit: Emit;
  /** Aborts between two reads. */
  signal?: AbortSignal;
}

export interface Bundle {
  sources: SourceRecord[];
  /** What was written below `into`, sorted by path. */
  entries: TreeEntry[];
  /** All paths of the merged release (kept or not) with sizes: what a handler could have. */
  listing: Map<string, { kind: TreeEntry['kind']; sizeBytes: number; target?: string | undefined }>;
  /** Content of opt/kata/VERSION, trimmed. */
  version?: string | undefined;
  /** What machine the unpacked ELF files are for, as `uname -m` says it ('x86_64', 'aarch64', ...); other files are not in it. */
  machines?: Map<string, string> | undefined;
  /** Which versions of containerd's task service the unpacked shims have. */
  services?: Map<string, number[]> | undefined;
  /** Texts that were asked for, by path. */
  texts?: Map<string, string> | undefined;
  skippedFiles: number;
  skippedBytes: number;
}
