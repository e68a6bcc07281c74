import type { Host } from '../../host/index.ts';
import type { Redaction } from './redact/index.ts';

export interface Asked {
  /** Labels are read by the writing half's program; nothing is written. */
  host: Host;
  program: string;
  verbose: boolean;
  signal: AbortSignal;
}

/** A row of the report. It throws or is late without harm: then the report says why it is missing. */
export interface SectionRow {
  name: string;
  title: string;
  /** How long it may take, in milliseconds. */
  limitMs?: number;
  lines(asked: Asked): Promise<string[]>;
}

export interface Section {
  name: string;
  title: string;
  /** As shown: redacted and bounded. */
  lines: string[];
  /** Why it has no lines, or not all. */
  missing?: string | undefined;
}

export interface Report {
  text: string;
  sections: Section[];
  redacted: Redaction[];
}
