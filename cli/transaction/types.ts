import type { Wiring } from '../engines/types.ts';
import type { Finding } from '../errors/index.ts';
import type { Digest, Host, HostPath, HostView } from '../host/index.ts';
import type { GenerationState, Owner, Replaced } from '../store/types.ts';
import type { Unit } from '../systemd/types.ts';

export interface FolderStep {
  kind: 'folder';
  path: HostPath;
  mode: number;
}

/** Removes a folder of ours when it is empty; a folder with somebody else's files stays. */
export interface DropFolderStep {
  kind: 'drop-folder';
  path: HostPath;
}

export interface FileStep {
  kind: 'file';
  path: HostPath;
  before: Digest | 'absent';
  after: Digest | 'absent';
  /** The new content; lies in the journal, never in JSON (other people's configuration may hold secrets). */
  text?: string;
  /** Of a file that is made; 0644 where nothing is said. */
  mode?: number;
  foreign: boolean;
  ours: string[];
  temporary: HostPath;
}

export interface PointerStep {
  kind: 'pointer';
  path: HostPath;
  before: string | 'absent';
  after: string | 'absent';
  /** Where the link is made before it is renamed into place: for folders where systemd reads whatever is there. */
  temporary?: HostPath;
}

export interface RestartStep {
  kind: 'restart';
  unit: Unit;
  /** Active units that require, bind to or are part of the engine; brought back after the restart and after an undo. */
  dependents: Unit[];
  deadlineMs: number;
}

/** PID 1 merges the system extensions anew. Undone by another refresh, after the link that enables ours is back. */
export interface RefreshStep {
  kind: 'refresh';
  unit: Unit;
  /** Major version of the host's systemd: what its service can do. */
  systemd: number;
  /** Which payload is merged below /usr. */
  before: Digest | 'absent';
  after: Digest | 'absent';
  /** What others have merged, by hierarchy: must stay. */
  others: Record<HostPath, string[]>;
  /** Others' extensions that lie ready and that the user allowed to be merged with ours. */
  pending: string[];
  /** Mount points below /usr: must stay. */
  mounts: HostPath[];
  wasActive: boolean;
  /** Ends the service where nothing is left to merge and nobody else enabled it. */
  stop: boolean;
  deadlineMs: number;
}

/** PID 1 mounts our overlay of /usr, by the unit that does so at every boot: what the link at `path` points at, or nothing. */
export interface MountStep {
  kind: 'mount';
  unit: Unit;
  path: HostPath;
  /** Where the link points: the folder `usr` of a payload. */
  before: HostPath | 'absent';
  after: HostPath | 'absent';
  /** Which payload was mounted when the plan was made. */
  shown: Digest | 'absent';
  /** The files of the payload are put in place by this change: an earlier mount shows those that stepped aside. */
  anew: boolean;
  deadlineMs: number;
}

/** rpm-ostree stages a deployment without the package. It counts from the next boot, which is nobody's but the administrator's. */
export interface LayerStep {
  kind: 'layer';
  package: string;
  deadlineMs: number;
}

/** Kernel modules to load. A loaded one stays until the next boot: this is never undone. */
export interface ModulesStep {
  kind: 'modules';
  names: string[];
  /** For each of them. */
  deadlineMs: number;
}

export type Step = FolderStep | DropFolderStep | FileStep | PointerStep | RestartStep | RefreshStep | MountStep | LayerStep | ModulesStep;

/** Where a step stands on the host. */
export type Place = 'before' | 'after' | 'other';

/** What `prepare` found and `revert` needs, written to the journal before the step is applied. */
export type Undo = Record<string, unknown>;

/** What a step does with the journal's own files: undo copies live there, 0600. */
export interface UndoStore {
  save(name: string, from: HostPath): Promise<void>;
  path(name: string): HostPath;
}

export interface StepKind<S extends Step> {
  prepare(host: Host, step: S, store: UndoStore): Promise<Undo>;
  /** `report` takes what did not succeed and fails nothing. */
  apply(host: Host, step: S, undo: Undo, store: UndoStore, report: (finding: Finding) => void): Promise<void>;
  /** Acts only where `look` says 'after' (or, for a file with insertions of ours, takes them out of a file edited meanwhile). */
  revert(host: Host, step: S, undo: Undo, store: UndoStore): Promise<void>;
  look(host: HostView, step: S, undo: Undo): Promise<Place>;
}

/** What happens after the commit: plain data, so that recover can finish it. */
export interface Afterwards {
  records: {
    number: number;
    state: GenerationState;
    previous?: number;
    wiring?: Wiring;
    edited?: Record<HostPath, Digest>;
    activated?: string;
    pinned?: boolean;
    owner?: Owner;
    replaced?: Replaced;
    loadModules?: boolean;
    allowed?: string[];
  }[];
  dropGenerations: number[];
  dropPayloads: Digest[];
  /** Remove everything of ours below /var, history included. */
  purge: boolean;
}

export interface Intent {
  schema: number;
  id: number;
  verb: string;
  program: string;
  started: string;
  machine: string;
  deployment: string;
  boot: string;
  from?: number | undefined;
  to?: number | undefined;
  /** Why, where nobody asked for it: what the boot guard saw. */
  reason?: string | undefined;
  /** Who asked for it, and by what. */
  cause: string;
  user?: { uid: number; name?: string };
  /** True when the generation `to` was made by this change and goes away with it. */
  made: boolean;
  steps: Step[];
  afterwards: Afterwards;
}

export interface Leftover {
  path: string;
  found: string;
  next: string;
  /** True when a later recover may succeed where this one failed: then the journal stays. */
  retry: boolean;
}

export interface Outcome {
  result: 'done' | 'undone' | 'not-restored';
  /** Why the change did not commit. */
  error?: unknown;
  /** Units that were restarted on the way, in order. */
  restarted: Unit[];
  leftovers: Leftover[];
  evidence: string[];
  /** What a step could not do, where that is no failure. */
  findings?: Finding[];
  /** Committed, but the clean-up failed: why. The next change finishes it. */
  unfinished?: string;
}
