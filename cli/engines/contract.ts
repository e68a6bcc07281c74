import type { Finding } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/types.ts';
import type { Unit, UnitState } from '../systemd/types.ts';
import type { Overlay } from './common/filesView.ts';
import type { EffectiveDiff, EngineState, ForeignWiring, Instance, SwitchFile, WantedHandler, Wiring, WiringPlan } from './types.ts';

/** Writes a throw-away copy; the planners themselves cannot write. */
export type Scratch = (name: string, text: string) => Promise<HostPath>;

/** What is known of an engine or renderer without a host: data alone. Paths and units are those of its own packages. */
export interface EngineFacts {
  /** As `--engine` takes it and as it is recorded; also the name of its folder. */
  name: string;
  /** As a sentence names it: 'CRI-O'. */
  title: string;
  /** Units that run it, the usual one first: the boot guard comes before them. */
  units: readonly Unit[];
  /** Units that write, before the engine's own at each boot, what the right wiring depends on: the boot guard comes after them. */
  preparedBy?: readonly Unit[];
  /** Base names of its programs. */
  programs: readonly string[];
  /** Where it keeps images and containers, the folder of images first. */
  storage: readonly HostPath[];
  /** What the support bundle shows of it, and what it must not show. */
  report: ReportFacts;
  /** The program writes the configuration that another engine reads, and how it is recognised. */
  renders: Rendering | undefined;
}

export interface ReportFacts {
  /** Folders whose TOML files are shown by the names of their tables. */
  configuration: readonly HostPath[];
  /** Tables and keys of these files that are shown, whatever holds them. */
  tables: RegExp | undefined;
  keys: RegExp | undefined;
  /** Files and folders with credentials: read to know what to hide. */
  credentials: readonly HostPath[];
  /** Folders whose entries are the names of registries. */
  registries: readonly HostPath[];
  /** Lines of its log that say nothing. */
  logNoise: RegExp | undefined;
  /** Other words of it that are no secret and no user's name. */
  words: readonly string[];
}

/** A program that writes the configuration which the node's engine reads. */
export interface Rendering {
  /** The engine of the host whose file it overwrites; undefined: it starts one of its own. */
  overwrites: string | undefined;
  /** Units that show it on a host: for a program that ends after each boot others than those that run an engine. */
  units: readonly Unit[];
  /** Other names that its installer gives the unit; such a unit counts where its main process is `program`. */
  otherUnits?: RegExp;
  /** Base name of the executable. */
  program?: RegExp;
  /** What its installation leaves: no proof that it runs. */
  files: readonly HostPath[];
  /** What an operating system or the provisioning of a cloud has, whose program it is: proof by itself. `ids` are those of os-release. */
  host?: { ids: readonly string[]; files: readonly HostPath[] };
  /**
   * Words that make it use another CRI: in the command of its unit, or in these files and the YAML files of these folders. `named`: what names a
   * file in place of these, with a folder of its name and `.d`.
   */
  external?: {
    words: RegExp;
    files: readonly HostPath[];
    folders: readonly HostPath[];
    named?: { options: readonly string[]; variable: string };
  };
  /** In the text of a configuration that it wrote; undefined: nothing tells. */
  written: RegExp | undefined;
  /** Of one that kata-sysext wires: what becomes of an edit of another engine's file, as a sentence, and its row of docs/reference/hosts.md. */
  wired?: Pick<Refusal, 'found' | 'docs'>;
}

/** An engine or renderer that kata-sysext recognises and does not wire. */
export interface RefusedEngine extends EngineFacts {
  kind: 'refused';
  /** Why, in the words of the finding `engine-rendered`; undefined where its presence refuses nothing. */
  refusal: Refusal | undefined;
  /** Why it is refused where it is named, for one that nothing on a host makes refuse. */
  named?: Pick<Refusal, 'found' | 'needed' | 'next'>;
  /** What it has of its own in place of Kata, and whether that works here: for `check`. Asks a live host alone. */
  instead?(host: HostView): Promise<Finding[]>;
}

export interface Refusal {
  /** What becomes of an edit of the usual file, as a sentence. */
  found: string;
  /** What works on such a node, and the first command of it. */
  needed: string;
  next: string;
  /** The row of docs/reference/hosts.md. */
  docs: { does: string; recognised: string; works: string };
}

/** An engine that kata-sysext wires. What it cannot do is undefined, and callers do without. */
export interface Engine extends EngineFacts {
  kind: 'engine';
  /** Names of handlers that mean something to it without being in its files. */
  reservedHandlers: readonly string[];
  /** It reads drop-ins only where its main file names them: without that file it does not read the wiring. */
  dropInsNeedMain: boolean;
  shimProtocol: ShimProtocol;
  /** How its wiring is computed for a node that is not there (`generate --form rendered`), or why it cannot be. */
  offline: OfflineWiring | NoOfflineWiring;
  /** Keys of its dump that say whether it gives pods SELinux labels, what holds where none is there, and how a person turns it on. */
  selinux: {
    keys: readonly string[][];
    byDefault: boolean;
    setting: string;
    /**
     * The files with labels turned on, beside `files` (those of the host as `plan` leaves them); none where they are on already. Throws
     * `engine-unsupported` where no file of kata-sysext's can do it. undefined: only a person turns them on.
     */
    turnOn?(host: HostView, instance: Instance, files: Overlay, plan: WiringPlan): Promise<SwitchFile[]>;
  };
  /** Keys of its dump that name the handler of what asks for none, and how a person names another: without that handler it does not start. */
  defaultHandler: { keys: readonly string[][]; setting: string };
  /**
   * What its files set, a later table over an earlier one: for a host on which its program cannot be asked. undefined: its planner looks
   * itself. Throws as `plan` does where they cannot be read.
   */
  readSettings?(host: HostView, instance: Instance): Promise<Record<string, unknown>[]>;
  /** What `try` configures on its throw-away host; undefined: `try` shows another engine. */
  sample: { version: string; path: HostPath; mode: number; asset: string } | undefined;
  /** Live: from the running process. Offline: from the tree's files and `hint` ('1.7', '2.1.9'). */
  detect(host: HostView, hint?: string): Promise<Instance[]>;
  /**
   * The one that a wiring was made for: the process of its unit, else what that unit's own text starts. `configPath` is what it reads now.
   * undefined where the unit or its binary is gone: no other one is looked for.
   */
  findRecorded(host: HostView, wiring: Wiring): Promise<Instance | undefined>;
  /**
   * From what the files are now to exactly the wanted handlers (none: the wiring of kata-sysext goes away). `recorded` is the wiring of the active
   * generation. Throws KataErrors engine-* when it cannot be done safely. Touches nothing.
   */
  plan(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan>;
  /**
   * What in the files leads handlers to this shim, for a change that replaces it: as marks, so that it goes as a recorded text does.
   * Throws `engine-unsupported` where it cannot be taken out by its exact text.
   */
  findForeignWiring(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring>;
  /** What its own program says of a configuration; undefined: there is no such program. */
  dump: EngineDump | undefined;
  /** The daemon that has to be restarted, and that says which handlers it has; undefined: it is a program without a daemon. */
  daemon: EngineDaemon | undefined;
  /** What is its own in the answers of its CRI; undefined: it has none, and no pod can prove a handler. */
  cri: EngineCri | undefined;
}

export interface EngineDump {
  /**
   * Asks the engine's own binary, on copies of its files, what the plan would change. `scratch` writes a file of this base name into a
   * folder of kata-sysext (mode 0600: copies may hold secrets) and gives its path. Live only.
   */
  validate(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff>;
  /** The effective configuration of the planned files, by the engine's binary on copies. Throws `engine-rejects`. */
  renderPlanned(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<Record<string, unknown>>;
  /** The effective configuration as the engine's binary dumps it now from the real files: for before/after comparison. */
  dumpEffective(host: HostView, instance: Instance): Promise<Record<string, unknown>>;
  /** Compares two dumps; key paths of the named handlers are `ours`. */
  compare(before: Record<string, unknown>, after: Record<string, unknown>, handlers: string[]): EffectiveDiff;
  /** The command that shows a person the effective configuration. */
  showCommand(instance: Instance): string;
}

export interface EngineDaemon {
  /** What the running daemon says of itself; never throws for one that does not answer. */
  probe(host: HostView, instance: Instance, timeoutMs: number): Promise<EngineState>;
  /** Of these sandboxes (ids) those that were ending by themselves before a time, in ms of the epoch; default: none is known to. */
  endedBefore?(
    host: HostView,
    instance: Instance,
    sandboxes: readonly string[],
    beforeMs: number,
    timeoutMs: number,
  ): Promise<ReadonlySet<string>>;
  /** Others' changes that a restart (or the reload that takes its place) would apply: configuration or binary newer than what was read. */
  pendingRestarts(host: HostView, instance: Instance): Promise<Finding[]>;
  /** What a restart of its unit would destroy. */
  restartRisks(host: HostView, instance: Instance, state: UnitState): Promise<Finding[]>;
  /**
   * Where a reload returns before the daemon has read its files: waits until it has, since `sinceMs` of the epoch. In words why it did not;
   * undefined when it did.
   */
  awaitReload?(host: HostView, socket: HostPath, sinceMs: number, timeoutMs: number): Promise<string | undefined>;
  /** What it calls what runs in it, and how that is ended; default: sandboxes of pods. */
  inUse?: { one: string; many: string; next: string };
}

export interface EngineCri {
  /** Handlers in the `info` of the verbose Status (values are JSON): text of another shape gives none. */
  handlersIn(info: Record<string, string>): EngineState['effective'];
  /** The image that it makes a sandbox from, by the verbose Status, else by the dump; undefined where neither names one. */
  sandboxImage(info: Record<string, string>, dump: Record<string, unknown>): string | undefined;
  /** The command that brings an image to where sandboxes of this instance find it. */
  pullCommand(at: Pick<Instance, 'socket' | 'configPath'>, image: string): string;
}

/** How a wiring reaches a node whose files are not here. */
export type OfflineWiring =
  /** A file of kata-sysext's beside the engine's own; `read`: where others name handlers. `folders` (relative to the root) a node has. */
  | { unit: Unit; kind: 'drop-in'; read: readonly HostPath[]; folders: readonly string[] }
  /** An edit of the node's own file, which has to be there; `patternsIn`: what that text imports by pattern. Throws `engine-config-invalid`. */
  | { unit: Unit; kind: 'edit'; config: HostPath; configVariable: string; patternsIn(text: string): string[] };

export interface NoOfflineWiring {
  kind: 'none';
  /** What decides on the node, as the reason of a refusal; and what works instead. */
  found: string;
  needed: string;
  /** No operating system of `generate` has it: neither is its node given the program and a release. */
  noTarget?: true;
}

/** Versions: `from` is inclusive, `below` exclusive; without both it holds for all. `source`: where that was read or tried. */
interface VersionRange {
  from?: string;
  below?: string;
  source: string;
}

/** What an engine makes of containerd's shim protocol (of version `protocol`). */
export interface ShimProtocol {
  /** The newest version of the protocol. */
  speaks: readonly (VersionRange & { protocol: number })[];
  /** At a restart the engine forgets the containers in running sandboxes of such shims. */
  forgets: readonly (VersionRange & { protocols: readonly number[] })[];
  /** A container that a shim of version `next` starts in a sandbox of version `running` is lost at the next restart; `fixed` no longer does. */
  mixes: readonly (VersionRange & { running: number; next: number; fixed: string })[];
}

/** A row of the registry: one folder. */
export type EnginePlugin = Engine | RefusedEngine;
