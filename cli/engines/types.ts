import type { Finding } from '../errors/index.ts';
import type { Digest, HostPath, HostView } from '../host/types.ts';
import type { Unit, UnitState } from '../systemd/types.ts';

/** A running or installed engine as found on the host. */
export interface Instance {
  engine: string;
  /** '1.7.24'; undefined offline when nobody said. */
  version?: string;
  /** The binary of the running process, or of the offline tree. */
  binary?: HostPath;
  /** The main configuration file that this instance reads (it need not exist). */
  configPath: HostPath;
  /** CRI-O: the folder of drop-ins that this instance reads, whole and recursively (it need not exist). */
  configFolder?: HostPath;
  socket: HostPath;
  unit?: Unit;
  /** Live only. */
  process?: { pid: number; startedMs: number; binaryReplaced: boolean };
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
  mode?: number;
  /** True when somebody else's bytes are in the file: then owner, mode and xattrs are kept from it. */
  foreign: boolean;
  /** Exact texts that are ours in the after-state (insertions) and in the before-state (removals), to take out if somebody edits meanwhile. */
  ours: string[];
  /** A folder on the same file system that nobody globs, for the temporary file. */
  tmpDir: HostPath;
}

/** What we put where: enough to find and remove it again, byte-exactly, whoever else edited the file since. */
export interface Mark {
  path: HostPath;
  /** 'file': the whole file is ours. 'range': `text` stands in somebody else's file. */
  kind: 'file' | 'range';
  text: string;
}

/** Recorded in the generation. Two wirings with equal `key` need no restart between them. */
export interface Wiring {
  engine: string;
  configPath: HostPath;
  unit?: Unit;
  /** Early versions did not note it. */
  binary?: HostPath;
  method: string;
  handlers: WantedHandler[];
  marks: Mark[];
  /** Folders that we made for it, parents first; removed when empty. */
  folders: HostPath[];
  key: Digest;
}

export interface WiringPlan {
  /** undefined when nothing of ours remains. */
  wiring?: Wiring;
  changes: FileChange[];
  /** Folders to make, parents first, with modes. */
  makeFolders: { path: HostPath; mode: number }[];
  /** Folders of ours to remove when empty, children first. */
  dropFolders: HostPath[];
  /** What stays and why (foreign edits inside our range, ...). */
  findings: Finding[];
}

/** Wiring that another program or user made and a change replaces: what leads handlers to one shim, by exact text. */
export interface ForeignWiring {
  marks: Mark[];
  /** Names of these handlers, in byte order. */
  handlers: string[];
}

/** Dotted key paths of the effective configuration that differ; values are never shown. */
export interface EffectiveDiff {
  /** Differences that belong to our handlers. */
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

/** What the CRI says when it is asked. */
export interface EngineState {
  reachable: boolean;
  why?: string;
  runtimeReady: boolean;
  version?: string;
  handlers: string[];
  sandboxes: Sandbox[];
  /** Handler to the shim and configuration that the daemon will really use. */
  effective: Record<string, { shim?: string; configuration?: string }>;
}

/** Writes a throw-away copy; the planners themselves cannot write. */
export type Scratch = (name: string, text: string) => Promise<HostPath>;

export interface Engine {
  name: string;
  /** Live: from the running process. Offline: from the tree's files and `hint` ('1.7', '2.1.9'). */
  detect(host: HostView, hint?: string): Promise<Instance[]>;
  /**
   * The one that a wiring was made for: the process of its unit, else what that unit's own text starts. `configPath` is what it reads now.
   * undefined where the unit or its binary is gone: no other one is looked for.
   */
  findRecorded(host: HostView, wiring: Wiring): Promise<Instance | undefined>;
  /**
   * From what the files are now to exactly the wanted handlers (none: our wiring goes away). `recorded` is the wiring of the active
   * generation. Throws KataErrors engine-* when it cannot be done safely. Touches nothing.
   */
  plan(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan>;
  /**
   * What in the files leads handlers to this shim, for a change that takes its place: as marks, so that it goes as our own text does.
   * Throws `engine-unsupported` where it cannot be taken out by its exact text.
   */
  findForeignWiring(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring>;
  /**
   * Asks the engine's own binary, on copies of its files, what the plan would change. `scratch` writes a file of this base name into a
   * folder of ours (mode 0600: copies may hold secrets) and tells its path. Live only.
   */
  validate(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff>;
  /** The effective configuration of the planned files, by the engine's binary on copies. Throws `engine-rejects`. */
  renderPlanned(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<Record<string, unknown>>;
  /** The effective configuration as the engine's binary dumps it now from the real files: for before/after comparison. */
  dumpEffective(host: HostView, instance: Instance): Promise<Record<string, unknown>>;
  /** Compares two dumps; key paths of the named handlers count as ours. */
  compare(before: Record<string, unknown>, after: Record<string, unknown>, handlers: string[]): EffectiveDiff;
  probe(host: HostView, instance: Instance, timeoutMs: number): Promise<EngineState>;
  /** Others' changes that a restart would apply: configuration or binary newer than the running process. */
  pendingRestarts(host: HostView, instance: Instance): Promise<Finding[]>;
  /** What a restart would destroy, where the engine knows more than its unit's KillMode says (default: `restartRisks`). */
  restartRisks?(host: HostView, instance: Instance, state: UnitState): Promise<Finding[]>;
  /** The command that shows a person the effective configuration. */
  showCommand(instance: Instance): string;
}
