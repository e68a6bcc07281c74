import type { Finding } from '../errors/index.ts';
import type { HostFacts } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import type { GenerationManifest } from '../store/index.ts';
import type { Step } from '../transaction/index.ts';

/** What a backend shows on the host right now. */
export interface Seen {
  /** The generation whose files are really reachable at the base; undefined when none is. */
  generation?: number;
  problems: string[];
}

/** How a payload appears on the host. Nothing acts by itself: what is not a step can't be journalled, shown or killed. */
export interface Backend {
  name: string;
  /** Blockers and warnings of this host. */
  fits(host: HostView, facts: HostFacts): Promise<Finding[]>;
  /** Where payloads are kept. */
  root(facts: HostFacts): HostPath;
  /** The path, stable over generations, below which the engine finds the active payload. */
  base(): HostPath;
  /** Where this generation's own files are: what its configuration.toml names. */
  home(payloadFolder: HostPath): HostPath;
  plan(host: HostView, from?: GenerationManifest, to?: GenerationManifest): Promise<Step[]>;
  observe(host: HostView): Promise<Seen>;
}
