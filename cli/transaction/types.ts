import type { Finding } from '../errors/index.ts';
import type { Leftover } from '../steps/types.ts';
import type { Unit } from '../systemd/types.ts';

export type { Afterwards, Intent } from './shapes.ts';

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
