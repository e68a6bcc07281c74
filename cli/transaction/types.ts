import type { Step } from '../backends/stepKinds.ts';
import type { Wiring } from '../engines/types.ts';
import type { Finding } from '../errors/index.ts';
import type { Digest, HostPath } from '../host/index.ts';
import type { Leftover } from '../steps/types.ts';
import type { GenerationState, Owner, Replaced } from '../store/types.ts';
import type { Unit } from '../systemd/types.ts';

/** What happens after the commit: plain data, so that recover can finish it. */
export interface Afterwards {
  records: {
    number: number;
    state: GenerationState;
    previous?: number;
    wiring?: Wiring;
    edited?: Record<HostPath, Digest>;
    activated?: string;
    pinned?: boolean;
    owner?: Owner;
    replaced?: Replaced;
    loadModules?: boolean;
    allowed?: string[];
  }[];
  dropGenerations: number[];
  dropPayloads: Digest[];
  /** Remove everything of kata-sysext below /var, history included. */
  purge: boolean;
}

export interface Intent {
  schema: number;
  id: number;
  verb: string;
  program: string;
  started: string;
  machine: string;
  deployment: string;
  boot: string;
  from?: number | undefined;
  to?: number | undefined;
  /** Why the boot guard made the change; undefined for a change that a command requested. */
  reason?: string | undefined;
  /** Who asked for it, and by what. */
  cause: string;
  user?: { uid: number; name?: string };
  /** True when the generation `to` was made by this change and goes away with it. */
  made: boolean;
  steps: Step[];
  afterwards: Afterwards;
}

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
