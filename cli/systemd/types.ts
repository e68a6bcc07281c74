/** A unit's name with its suffix: 'containerd.service'. */
export type Unit = string;

/** What PID 1 says of a unit. Times are milliseconds since the epoch, 0 when never. */
export interface UnitState {
  unit: Unit;
  loadState: string;
  activeState: string;
  /** A job of the unit is waiting or under way. */
  queued: boolean;
  subState: string;
  result: string;
  mainPid: number;
  invocationId: string;
  /** Automatic restarts since the unit was started. */
  restarts: number;
  killMode: string;
  fragmentPath: string;
  dropInPaths: string[];
  needDaemonReload: boolean;
  activeEnterMs: number;
  /** Of its last change of any kind, a reload too. */
  stateChangeMs: number;
  timeoutStartMs: number;
  timeoutStopMs: number;
  environment: string[];
  /** Units that want this one, targets mostly. */
  wantedBy: Unit[];
  requiredBy: Unit[];
  boundBy: Unit[];
  /** Units that are PartOf= this one. */
  consistsOf: Unit[];
  /** Units that are Requisite= on this one. */
  requisiteOf: Unit[];
  /** Units that stop with this one (systemd ≥ 249). */
  propagatesStopTo: Unit[];
}

/** A program that PID 1 runs for kata-sysext, so that it outlives the terminal that asked for it. */
export interface TransientService {
  unit: Unit;
  description: string;
  argv: string[];
  /** 'NAME=value'; every user of the host can read it. */
  environment: string[];
  /** A file with more of it, which only root can read. */
  environmentFile?: string;
  folder: string;
  /** Files that its output goes to; absent: the journal. */
  stdout?: string;
  stderr?: string;
  /** Run when the program has ended, with EXIT_STATUS in its environment; empty: nothing. */
  after: string[];
}

export type JobResult = 'done' | 'canceled' | 'timeout' | 'failed' | 'dependency' | 'skipped' | 'deadline';

/** The few calls of the manager that the program makes, each with a deadline. Errors are KataErrors with code `failed`. */
export interface Systemd {
  version(): Promise<string>;
  /** One that has no file and does not run gives loadState 'not-found', systemd's own defaults, and no relations to others. */
  unit(unit: Unit): Promise<UnitState>;
  /** Names of the active units, those that a pattern of names fits where one is given ('*.service'): a host has hundreds. */
  activeUnits(pattern?: string): Promise<Unit[]>;
  /** Names of the units that a pattern of names fits ('kata-sysext-request-*.service') and that run, begin or end. */
  livingUnits(pattern: string): Promise<Unit[]>;
  start(unit: Unit, deadlineMs: number): Promise<JobResult>;
  /** On 'deadline' the job was cancelled and has ended. */
  restart(unit: Unit, deadlineMs: number): Promise<JobResult>;
  /** The unit's own reload; a unit without one, or one that is not active, gives 'failed' or throws. */
  reload(unit: Unit, deadlineMs: number): Promise<JobResult>;
  stop(unit: Unit, deadlineMs: number): Promise<JobResult>;
  resetFailed(unit: Unit): Promise<void>;
  daemonReload(): Promise<void>;
  startTransient(service: TransientService): Promise<void>;
  /** To the main process of the unit; nothing happens when it has none. */
  signal(unit: Unit, signal: number): Promise<void>;
  close(): void;
}
