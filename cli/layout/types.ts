import type { TreeEntry } from '../bundle/types.ts';

/** A handler as it will be installed. Paths are relative to the payload. */
export interface LaidHandler {
  /** 'kata-qemu-runtime-rs' */
  name: string;
  /** The release's own word: 'qemu-runtime-rs'. */
  release: string;
  family: 'go' | 'rust';
  /** 'qemu', 'clh', 'dragonball', 'firecracker', 'openvmm', 'remote': the TOML's hypervisor table. */
  hypervisor: string;
  shim: string;
  /** The version of containerd's shim protocol that the shim speaks; absent when its executable does not tell. */
  protocol?: number | undefined;
  /** The release's configuration file, as it is in the payload. */
  configuration: string;
  /** Everything of the payload that this handler needs. */
  files: string[];
}

/** A payload: what is kept of a release, plus the links that are added, and which handlers it can serve. Pure data. */
export interface Layout<Handler extends LaidHandler = LaidHandler> {
  version: string;
  defaultHandler: string;
  handlers: Handler[];
  /** All handlers that the bundle could serve whole. */
  available: string[];
  /** Sorted by path, where they lie in the payload; links that are added (QEMU's data folder) included. */
  entries: TreeEntry[];
  /** Files that lie elsewhere than in the release. */
  moves: { from: string; to: string }[];
  /** Configurations that name such files: path → text. */
  texts: Map<string, string>;
  /** Entries of the unpacked tree that do not stay as they are, deepest first: removed before the payload is sealed. */
  dropped: string[];
  /** Bytes of the release that were left out. */
  savedBytes: number;
}

/** A value of the release's TOML that an administrator may choose: scalars and lists of them. */
export type Setting = string | number | boolean | Setting[];
