import type { Finding } from '../errors/index.ts';
import type { Host } from '../host/index.ts';
import type { Emit } from '../output/events.ts';
import type { Plan } from '../planning/types.ts';
import type { PodProof } from '../pod/index.ts';
import type { Asked } from './asked.ts';

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
  asked: Asked;
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
