import type { Shape } from '../documents/shapes.ts';
import type { Finding } from '../errors/index.ts';
import type { Digest, Host, HostPath, HostView } from '../host/index.ts';
import type { Unit } from '../systemd/types.ts';

export interface FolderStep {
  kind: 'folder';
  path: HostPath;
  mode: number;
}

/** Removes a folder of kata-sysext when it is empty; a folder with other files stays. */
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
  text?: string | undefined;
  /** Of a file that is made; 0644 where nothing is said. */
  mode?: number | undefined;
  /** A file that is made gets owner, mode and xattrs of this one, which is there until the commit; its label is that of its own place. */
  like?: HostPath | undefined;
  foreign: boolean;
  ours: string[];
  temporary: HostPath;
  /** See `FileChange.settles`: at an undo the engine is brought up before the 'first' is put back; the 'last' keeps the file's time. */
  settles?: 'first' | 'last' | undefined;
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
  /** It runs the engine. */
  unit: Unit;
  /**
   * What is asked for, and of which unit: another than `unit` where that one writes the configuration and starts `unit`. By itself: nothing is
   * asked for; the step waits.
   */
  by: 'restart' | 'reload' | 'itself';
  asked: Unit;
  /** By itself: what the main process of `unit` runs, and the folder in which a change makes it start that again. */
  itself?: { program: HostPath; watches: HostPath };
  /** Active units that require, bind to or are part of the engine; brought back after the restart and after an undo. */
  dependents: Unit[];
  deadlineMs: number;
  /** A reload that is done only when the daemon of this engine says so at its socket. */
  awaits?: { engine: string; socket: HostPath };
}

/** PID 1 reads its units again after a drop-in of the engine's unit came or went. */
export interface RereadStep {
  kind: 'reread';
  unit: Unit;
}

/** rpm-ostree stages a deployment without the package. It counts from the next boot, which only the administrator starts. */
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

/** A file, link or folder of another program that goes, with all below it. */
export interface SetAsideStep {
  kind: 'set-aside';
  path: HostPath;
  /** Where it is until the commit: a name in the same folder. */
  aside: HostPath;
}

/** A unit of another program whose files go. */
export interface StopUnitStep {
  kind: 'stop-unit';
  unit: Unit;
  deadlineMs: number;
}

export type CoreStep =
  | SetAsideStep
  | StopUnitStep
  | FolderStep
  | DropFolderStep
  | FileStep
  | PointerStep
  | RestartStep
  | RereadStep
  | LayerStep
  | ModulesStep;

/** How far a step is done on the host. */
export type Place = 'before' | 'after' | 'other';

/** What `prepare` found and `revert` needs, written to the journal before the step is applied. */
export type Undo = Record<string, unknown>;

/** What a step does with the journal's own files: undo copies live there, 0600. */
export interface UndoStore {
  save(name: string, from: HostPath): Promise<void>;
  path(name: string): HostPath;
}

/** What every kind of step has: of a journal, a plan and a message. */
export interface AnyStep {
  kind: string;
}

export interface StepKind<S extends AnyStep> {
  /** What the journal has to have of such a step. */
  shape: Shape<unknown>;
  /** What it is about: a path, a unit, a package. */
  subject(step: S): string;
  /** One line for people: what the step does. */
  describe(step: S): string;
  prepare(host: Host, step: S, store: UndoStore): Promise<Undo>;
  /** `report` takes what did not succeed and fails nothing. */
  apply(host: Host, step: S, undo: Undo, store: UndoStore, report: (finding: Finding) => void): Promise<void>;
  /** Acts only where `look` says 'after' (or, for a file with insertions of kata-sysext, removes them from a file edited meanwhile). */
  revert(host: Host, step: S, undo: Undo, store: UndoStore): Promise<void>;
  look(host: HostView, step: S, undo: Undo): Promise<Place>;
  /**
   * Where `revert` alone is not enough: called once on a live host when the steps before this one are back. Gives what could not be put back.
   */
  finishUndo?(host: Host, step: S): Promise<Leftover[]>;
  /** A part of the clean-up after the commit. Safe to repeat. */
  afterCommit?(host: Host, step: S): Promise<void>;
  /** `finishUndo` is called while the host boots as well. */
  atBoot?: boolean;
  /** Before it is put back, an undo that waits (`finishUndo`) is finished. */
  waitsForOthers?: boolean;
}

export interface Leftover {
  path: string;
  found: string;
  next: string;
  /** True when a later recover may succeed where this one failed: then the journal stays. */
  retry: boolean;
}
