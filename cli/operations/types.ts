import type { ForeignWiring } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import type { Digest, Host, HostPath } from '../host/index.ts';
import type { Assignment } from '../layout/settings/index.ts';
import type { Emit } from '../output/events.ts';
import type { AliasRequest } from '../planning/choices/aliases.ts';
import type { ConfigurationDiff } from '../planning/configurations.ts';
import type { PodProof } from '../pod/index.ts';
import type { Asked } from '../runner/asked.ts';
import type { LayerStep, Step } from '../transaction/index.ts';

/** What every verb gets besides its request. */
export interface Context {
  host: Host;
  /** Version of this program. */
  program: string;
  /** Real path of the program where it is one file that needs nothing else: then a copy of it is kept on the host. */
  programFile?: string;
  emit: Emit;
  signal: AbortSignal;
  /** Who asked, and by what: for the history. */
  asked?: Asked;
}

/** Options of every changing verb. */
export interface ChangeOptions {
  dryRun: boolean;
  waitSeconds: number;
  /** Locks of other programs are waited for this long, and then passed by; undefined: they refuse the change at once. */
  othersSeconds?: number;
  /** Codes of overridable blockers that the user takes upon himself. */
  allow: string[];
  /** 'containerd' or 'containerd@1.7'. */
  engine?: string;
  /** Load the kernel modules of the handlers, and keep them; undefined: as the active generation has it. */
  loadModules?: boolean;
  /** A pod of each handler has to start before the change commits. */
  prove?: 'pod';
}

export interface InstallRequest extends ChangeOptions {
  /** Real paths on this machine. */
  sources: string[];
  /** The generation keeps these paths, for the command that brings it back. Not where it is made for another machine. */
  keepPaths?: boolean;
  digests: (Digest | undefined)[];
  /** Exactly these; without any the installed set, changed by the next two. */
  handlers: string[];
  addHandlers?: string[];
  removeHandlers?: string[];
  aliases?: AliasRequest[];
  backend?: string;
  /** In which form the payload is kept; undefined: as before. */
  format?: string;
  /** Make the generation and leave what is active as it is. */
  stage?: boolean;
  wishes?: SettingsRequest;
  layer?: Layer;
}

/** A layered package whose place an installation takes. */
export interface Layer {
  name: string;
  shim: HostPath;
  /** What of the engine's files is its. */
  foreignWiring: ForeignWiring;
  /** Names that RuntimeClasses point at. */
  handlers: string[];
  /** Stages the removal of the package; undefined: it stays for now. */
  step?: LayerStep;
  findings: Finding[];
  nextCommand: string;
}

/** What the command line says about configuration. */
export interface SettingsRequest {
  set: Assignment[];
  /** Names of keys. */
  unset: string[];
  /** The whole list; undefined: as before. */
  profiles: string[] | undefined;
}

/** What a change would do: plain JSON, without anybody's file contents. */
export interface Plan {
  verb: string;
  from?: number;
  to?: number;
  steps: PlannedStep[];
  /** What profiles and settings change in our own configuration of a handler: against the active generation's if it has the same files, else against the release's. */
  configurations?: ConfigurationDiff[];
  restarts: string[];
  dependents: string[];
  gate: string[];
  /** The sum of `writes`. */
  bytesWritten: number;
  writes: PlannedWrite[];
  /** gc and uninstall: what goes, and the bytes that this frees (`whatGoes`). */
  removedGenerations?: number[];
  freedBytes?: number;
  findings: Finding[];
}

/** Something that a change writes. */
export interface PlannedWrite {
  /** 'payload', 'program', … */
  what: string;
  bytes: number;
  /** The folder that the file system is mounted at. */
  fileSystem: HostPath;
}

export interface PlannedStep {
  /** 'record' changes nothing outside our own folders. */
  kind: Step['kind'] | 'record';
  text: string;
  /** For a file: the lines that go and come, with their numbers. Only our own text: others' lines are never shown. */
  diff?: string[];
}

export interface ChangeResult {
  verb: string;
  /** False when the host was already as wanted. */
  changed: boolean;
  from?: number;
  to?: number;
  release?: string;
  handlers: string[];
  bytesWritten: number;
  savedBytes: number;
  restarted: string[];
  /** uninstall of some handlers: the names that went; `handlers` are those that stay. */
  removedHandlers?: string[];
  /** gc and uninstall: what went, as their plans say it. */
  removedGenerations?: number[];
  freedBytes?: number;
  seconds: number;
  /** With `--prove pod`: how the pods ran. */
  pods?: PodProof[];
  /** The command that completes it: what is staged is not active yet. */
  nextCommand?: string;
  /** The command that takes this change back. */
  undoCommand?: string;
  findings: Finding[];
}

export type Answer = { kind: 'Plan'; plan: Plan } | { kind: 'Change'; change: ChangeResult };
