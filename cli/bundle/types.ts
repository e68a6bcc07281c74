import type { Digest } from '../host/types.ts';
import type { Emit } from '../output/events.ts';

/** One entry of a release tree. Paths are relative to the release's `opt/kata`, without a leading './'. */
export interface TreeEntry {
  path: string;
  kind: 'file' | 'directory' | 'symlink';
  /** Permission bits only. */
  mode: number;
  /** Files only. */
  sizeBytes?: number | undefined;
  digest?: Digest | undefined;
  /** Symlinks only: the target as written; absolute /opt/kata/... targets are made relative while unpacking. */
  target?: string | undefined;
}

export interface SourceRecord {
  /** Base name of what was named on the command line. */
  name: string;
  /** Over exactly the bytes that were unpacked (an archive), or over the canonical listing (a folder). */
  digest: Digest;
  sizeBytes: number;
}

export interface BundleRequest {
  /** Real paths on this machine: archives or unpacked folders, merged in order. */
  sources: string[];
  /** Real path of an existing empty folder; the tree is made there. Removing it is the caller's duty. */
  into: string;
  /** Which files are written; others are only checked and counted. Directories are made as needed. */
  keep(path: string): boolean;
  /** Files whose text is returned too, written or not; a file that is too long for a configuration is left out. */
  tell?(path: string): boolean;
  /** Wanted digests by position; undefined entries are not checked. */
  digests?: (Digest | undefined)[];
  emit: Emit;
  /** Aborts between two reads. */
  signal?: AbortSignal;
}

export interface Bundle {
  sources: SourceRecord[];
  /** What was written below `into`, sorted by path. */
  entries: TreeEntry[];
  /** All paths of the merged release (kept or not) with sizes: what a handler could have. */
  listing: Map<string, { kind: TreeEntry['kind']; sizeBytes: number; target?: string }>;
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
