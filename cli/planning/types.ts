import type { PlannedComponent } from '../components/types.ts';
import type { Displaced, Engine, FileChange, ForeignWiring, Instance, RenderedBy } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';
import type { GenerationManifest, GenerationRecord } from '../store/index.ts';
import type { LayerStep, Step } from '../transaction/index.ts';
import type { ChangeOptions } from './choices/types.ts';
import type { SwitchWish } from './selinuxSwitch.ts';
import type { ConfigurationDiff } from './textDiff.ts';

/** An engine and how it is on this host. */
export interface Found {
  engine: Engine;
  instance: Instance;
  /** In a tree that does not run: the version that `--engine` named, now or at an earlier change. */
  version?: string;
  /**
   * One of several that a generation is wired into, and in words why it is not on the host any more. Its files are known by the record
   * alone; a change takes it out of the wiring.
   */
  gone?: string;
}

/** What a change would do: plain JSON, without anybody's file contents. */
export interface Plan {
  verb: string;
  from?: number | undefined;
  to?: number | undefined;
  steps: PlannedStep[];
  /**
   * What profiles and settings change in a handler's configuration: compared with the active generation's if that has the same files, else
   * with the release's.
   */
  configurations?: ConfigurationDiff[];
  /** Files of the user in the payload; absent where there are none. */
  components?: PlannedComponent[] | undefined;
  /** Who writes the file that the engine's daemon reads, and when, where that is another program. */
  rendered?: RenderedBy | undefined;
  restarts: string[];
  /** Units that are reloaded: their processes stay. */
  reloads?: string[];
  /** What the engine's unit restarts by itself for this change: the program. */
  byItself?: { unit: string; program: HostPath } | undefined;
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
  /** 'record' changes nothing outside the folders of kata-sysext. */
  kind: Step['kind'] | 'record';
  text: string;
  /** For a file: the lines that go and come, with their numbers. Only text of kata-sysext: lines of other programs are never shown. */
  diff?: string[] | undefined;
}

export interface SwitchRequest {
  verb: string;
  id: number;
  /** Those that are wired, in their order. One that the active generation is wired into and that is not among them keeps its wiring. */
  engines: Found[];
  from?: { manifest: GenerationManifest; record: GenerationRecord } | undefined;
  to?: GenerationManifest | undefined;
  /** The store gets the payload by this change. */
  fresh?: boolean;
  /** What the change writes in addition to the steps and their journal. */
  writes?: Write[];
  options: ChangeOptions;
  /** Which engines have the SELinux switch on afterwards. Default: as before where the same generation stays, else none. */
  selinux?: SwitchWish | undefined;
  /** The engine is down: whoever asks starts it afterwards, and there is nothing to compare with. */
  down?: boolean;
  /** The program that guards the next boots; without one the units of the guard go. */
  guard?: HostPath | undefined;
  /** Another program's wiring that this change replaces. */
  foreignWiring?: ForeignWiring | undefined;
  /** Another installer's text in files of the first engine, which goes. */
  displaced?: Displaced | undefined;
  /** Another program's wiring that comes back instead of kata-sysext's. */
  restoring?: Restoring | undefined;
  /** Last, once all else is done. */
  layer?: LayerStep | undefined;
  /** False: the user sees to the kernel modules. */
  loadModules?: boolean | undefined;
  /** Steps in addition to those of the backend and the wiring. */
  further?: Step[] | undefined;
}

/** Something that a change writes to the disk. */
export interface Write {
  what: string;
  path: HostPath;
  bytes: number;
  /** Files, folders and links: each takes an inode, and up to a block more than its bytes. */
  entries: number;
  /** It is there already, for example in the staging folder, so that free room shows it. */
  done?: boolean;
  /** It goes again when the change ends, and not before. */
  passes?: boolean;
}

/** What an uninstall puts back of the wiring that a generation replaced. */
export interface Restoring {
  changes: FileChange[];
  /** Handlers that point at the other program's shim again. */
  handlers: string[];
}
