import type { Engine, Instance } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';
import type { Step } from '../transaction/index.ts';
import type { ConfigurationDiff } from './configurations.ts';

export interface Found {
  engine: Engine;
  instance: Instance;
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
