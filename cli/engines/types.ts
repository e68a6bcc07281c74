import type { Finding } from '../errors/index.ts';
import type { Digest, HostPath } from '../host/types.ts';
import type { Unit } from '../systemd/types.ts';

/** A running or installed engine as found on the host. */
export interface Instance {
  engine: string;
  /** '1.7.24'; undefined offline where the command line has none. */
  version?: string | undefined;
  /** The binary of the running process, or of the offline tree. */
  binary?: HostPath | undefined;
  /** The main configuration file that this instance reads (it need not exist). */
  configPath: HostPath;
  /** The folder of drop-ins that this instance reads, whole and recursively (it need not exist), where an engine has one. */
  configFolder?: HostPath;
  /** Of the daemon. */
  socket?: HostPath | undefined;
  unit?: Unit | undefined;
  /** What else its wiring was made from: at a change of these it may have to be made again. */
  sources?: HostPath[];
  /** How changed files take effect; undefined: by a restart of `unit`. */
  effect?: Effect | undefined;
  /** Another program writes the file that the daemon reads. */
  renderer?: RenderedBy;
  /** Live only: it is stopped, and nothing but this unit of its renderer starts it, at a boot and after it has rendered. */
  firstStart?: Unit;
  /** Live only. */
  process?: { pid: number; startedMs: number; binaryReplaced: boolean } | undefined;
}

export type Effect =
  /** A restart of another unit, which writes the configuration and brings `unit` up with it. */
  | { by: 'restart'; unit: Unit }
  /** The reload of `unit`: its process stays. */
  | { by: 'reload' }
  /**
   * Nothing is asked: the main process of `unit` sees what changes in the folder `watches`, ends its child that runs `program`, and starts it
   * again.
   */
  | { by: 'itself'; program: HostPath; watches: HostPath };

/** For the plan: who renders what, and when. */
export interface RenderedBy {
  title: string;
  writes: HostPath;
  /** 'at each start of k3s.service' */
  when: string;
  /** Its executable, where the renderer starts the engine and writes `writes` again at each start. */
  program?: HostPath;
}

/** What the engine shall offer. Both paths are stable over upgrades. */
export interface WantedHandler {
  /** 'kata-qemu' */
  name: string;
  shim: HostPath;
  configuration: HostPath;
}

/** One file from a known before-state to a wanted after-state. The transaction makes a step of it. */
export interface FileChange {
  path: HostPath;
  before: Digest | 'absent';
  /** The whole new content, or 'absent' for a removal. */
  after: { text: string } | 'absent';
  /** Of a file that is made; 0644 where nothing is said. */
  mode?: number | undefined;
  /** A file that is made gets owner, mode and xattrs of this one. */
  like?: HostPath | undefined;
  /** True when the file has bytes of others: then its owner, mode and xattrs are kept. */
  foreign: boolean;
  /** Exact texts of kata-sysext in the after-state (insertions) and in the before-state (removals), to take out where the file was edited meanwhile. */
  ours: string[];
  /** A folder on the same file system that no program globs, for the temporary file. */
  tmpDir: HostPath;
  /**
   * One of two changes of this file, between which the engine has to read it. 'first': at an undo it is put back once the engine has read
   * the file without the other. 'last': it comes once the engine has read the other, and says nothing new to it.
   */
  settles?: 'first' | 'last' | undefined;
}

/** Which text is where: enough to find and remove it again, byte-exactly, whoever else edited the file since. */
export interface Mark {
  path: HostPath;
  /** 'file': the whole file is kata-sysext's. 'range': `text` is a part of a file of others. */
  kind: 'file' | 'range';
  text: string;
  /** Of a whole file: other texts of kata-sysext that may be there in its place, because a program of the host picks one at each start. */
  or?: string[] | undefined;
}

/** Recorded in the generation. Two wirings with equal `key` need no restart between them. */
export interface Wiring {
  engine: string;
  /** As `--engine NAME@VERSION` named it for a tree, where nothing else tells it to a later change. */
  version?: string | undefined;
  configPath: HostPath;
  unit?: Unit | undefined;
  /** Of the instance. */
  effect?: Effect | undefined;
  /** Absent where it was not known: on an offline tree. */
  binary?: HostPath | undefined;
  method: string;
  handlers: WantedHandler[];
  marks: Mark[];
  /** Folders that were made for it, parents first; removed when empty. */
  folders: HostPath[];
  key: Digest;
  /** The engine's SELinux switch, where kata-sysext turned it on: edits apart from those of the handlers. */
  selinux?: { marks: Mark[]; folders: HostPath[] } | undefined;
  /** Of the first wiring of a generation: those of the other engines that it is wired into. Read through `wiringsOf`. */
  others?: Wiring[] | undefined;
}

/** A file as it would be with the engine's SELinux switch on, and the text of kata-sysext in it. */
export interface SwitchFile {
  mark: Mark;
  after: string;
  /** Of a file that is made; 0644 where nothing is said. */
  mode?: number;
}

export interface WiringPlan {
  /** undefined when no wiring of kata-sysext remains. */
  wiring?: Wiring | undefined;
  changes: FileChange[];
  /** Dotted key paths that another installer set, and that may differ in the dump afterwards. */
  displaced?: string[] | undefined;
  /** What becomes of the engine's SELinux switch, where it is or was kata-sysext's: the keys of `Engine.selinux` may differ in the dump. */
  selinux?: 'comes' | 'stays' | 'goes' | undefined;
  /** The main file that the daemon reads afterwards, where that is another one than now. */
  reads?: HostPath | undefined;
  /** Folders to make, parents first, with modes. */
  makeFolders: { path: HostPath; mode: number }[];
  /** Folders of the recorded wiring to remove when empty, children first. */
  dropFolders: HostPath[];
  /** What stays and why (foreign edits inside a range of kata-sysext, ...). */
  findings: Finding[];
}

/** Wiring that another program or user made and a change replaces: what leads handlers to one shim, by exact text. */
export interface ForeignWiring {
  marks: Mark[];
  /** Names of these handlers, in byte order. */
  handlers: string[];
}

/** Another installer's text in files of engines, which goes in the same change: each file as it is, and as it is without that text. */
export interface Displaced {
  /** By real path, each of the engine that reads it. */
  files: { engine: string; path: HostPath; text: string; after: string | 'absent' }[];
  /** Key paths that may differ afterwards, without those of its handlers. */
  keys: string[][];
}

/** Dotted key paths of the effective configuration that differ; values are never shown. */
export interface EffectiveDiff {
  /** Differences that belong to the named handlers. */
  ours: string[];
  /** Everything else: must be empty. */
  others: string[];
  warnings: string[];
}

export interface Sandbox {
  id: string;
  handler: string;
  podName: string;
  podNamespace: string;
  ready: boolean;
}

/** What the CRI says when it is asked, or the engine's own API. */
export interface EngineState {
  reachable: boolean;
  why?: string;
  runtimeReady: boolean;
  version?: string | undefined;
  handlers: string[];
  sandboxes: Sandbox[];
  /** Containers that do not run and could not be started without their handler, where an engine keeps such. */
  stopped?: Sandbox[];
  /** Handler to the shim and configuration that the daemon will really use. */
  effective: Record<string, { shim?: string | undefined; configuration?: string | undefined }>;
}
