import type { OwnRequest } from '../components/types.ts';
import type { Scratch } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import type { HostFacts } from '../facts/index.ts';
import type { Host, HostPath } from '../host/index.ts';
import type { Format } from '../images/index.ts';
import type { LabelSurvey } from '../labels/index.ts';
import type { Emit } from '../output/events.ts';
import type { Given } from '../planning/choices/givenImage.ts';
import type { InstallRequest, Layer } from '../planning/choices/types.ts';
import type { OwnProgram } from '../planning/programCopy.ts';
import type { Found, Plan } from '../planning/types.ts';
import type { PodProof } from '../pod/index.ts';
import type { Switch } from '../preflight/switch.ts';
import type { Drawn, GenerationManifest, Staged, Staging } from '../store/index.ts';
import type { Afterwards, Recovered } from '../transaction/index.ts';
import type { Asked } from './asked.ts';

/** What the runner gets in addition to a request. Only the runner has the writing half of the port. */
export interface Context extends OwnProgram {
  host: Host;
  emit: Emit;
  signal: AbortSignal;
  /** Who asked, and by what: for the history. */
  asked: Asked;
}

export interface ChangeResult {
  verb: string;
  /** False when the host was already as wanted. */
  changed: boolean;
  from?: number | undefined;
  to?: number | undefined;
  release?: string | undefined;
  handlers: string[];
  bytesWritten: number;
  savedBytes: number;
  restarted: string[];
  /** uninstall of some handlers: the names that went; `handlers` are those that stay. */
  removedHandlers?: string[];
  /** gc and uninstall: what went, as their plans say it. */
  removedGenerations?: number[];
  freedBytes?: number;
  /** Files whose SELinux label was put back. */
  relabelled?: HostPath[] | undefined;
  /** recover: the changes that were interrupted, and what an interrupted unpacking had left. */
  recovered?: Recovered[];
  removedStaging?: Staging | undefined;
  seconds: number;
  /** With `--prove pod`: how the pods ran. */
  pods?: PodProof[] | undefined;
  /** The command that completes it: what is staged is not active yet. */
  nextCommand?: string | undefined;
  /** The command that takes this change back; undefined where none does. */
  undoCommand?: string | undefined;
  findings: Finding[];
}

export type Answer = { kind: 'Plan'; plan: Plan } | { kind: 'Change'; change: ChangeResult };

/** What a planner gets in addition to its request: a planner reads the host, and changes nothing of it. */
export interface View extends OwnProgram {
  emit: Emit;
  signal: AbortSignal;
  /** The number of the change, and when it began. */
  id: number;
  started: Date;
  /** Unpacks a release into the staging folder, where that is needed to know what is in it. The runner removes that folder in every case. */
  staging: PayloadStaging;
  /** Interrupted changes that the runner has finished or undone before. */
  recovered: Recovered[];
  /** What an interrupted unpacking had left before that; only for `recover`. */
  left: Staging | undefined;
  /** Lends copies of files to the engine's own binary, for as long as `work` takes. */
  withScratch<T>(found: Found, work: (scratch: Scratch) => Promise<T>): Promise<T>;
}

export type StagedPayload = Omit<Staged, 'seal' | 'discard'>;

/** Where and how a payload is to be stored. */
export interface Place {
  facts: HostFacts;
  root: HostPath;
  format: Format;
  backend: string;
  /** The release's words of its handlers; undefined: its default. */
  wanted: string[] | undefined;
  /** Handlers with files of the user. */
  own: OwnRequest[];
}

export interface PayloadStaging {
  unpack(request: InstallRequest, place: Place): Promise<StagedPayload>;
  copyImage(given: Given, request: InstallRequest, place: Place): Promise<StagedPayload>;
}

export type Planner<R> = (view: View, request: R) => Promise<OperationPlan>;

/** What a changing verb is about to do, as data. */
export interface OperationPlan {
  verb: string;
  /** What a dry run shows. Its findings and bytes are part of the result. */
  plan: Plan;
  /** Nothing to do: no transaction, and no entry in the history. */
  idle: boolean;
  from?: number | undefined;
  to?: GenerationManifest | undefined;
  engines?: Found[] | undefined;
  /** The steps outside the folders of kata-sysext; without them only its records change. */
  planned?: Switch | undefined;
  /** The engine's own binary judges copies of the planned files first. */
  rehearsed?: boolean;
  prove?: 'pod' | undefined;
  /** Labels to put back. */
  labels?: LabelSurvey | undefined;
  /** Which copy of the program is kept: that of the running one, or the one that the guard runs if it is not there. */
  program?: { own: boolean; guard?: HostPath | undefined } | undefined;
  /** The generation to write, with the payload that was staged. */
  generation?: Drawn;
  /** Its files are copied first. */
  layer?: Layer | undefined;
  /** Why the change runs, where no user requested it. */
  reason?: string;
  afterwards: Afterwards;
  /** Further properties of the result. */
  says?: Partial<ChangeResult> | undefined;
  /** Set where nothing of kata-sysext stays: the result names files of other programs in its folders, and these findings. */
  leaves?: Finding[];
}
