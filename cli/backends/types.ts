import type { Finding } from '../errors/index.ts';
import type { HostFacts } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import type { GenerationManifest } from '../store/index.ts';
import type { Unit } from '../systemd/types.ts';
import type { Step } from './stepKinds.ts';

/** What is known of a backend without a host: data alone, for the command line, which must not load what backends ask of a host. */
export interface BackendFacts {
  /** As `--backend` takes it and as it is recorded; also the name of its folder. */
  name: string;
  /** Its generation is a part of an OS image: no program changes it on the node. */
  ofImage: boolean;
  /** Its payloads may be one image each. */
  takesImages: boolean;
  /** Units that show the files. */
  units: readonly Unit[];
}

/** What a backend shows on the host right now. */
export interface Seen {
  /** The generation whose files are really reachable at the mount point; undefined when none is. */
  generation?: number | undefined;
  problems: string[];
}

/** How a payload appears on the host. Nothing acts by itself: what is not a step can't be journalled, shown or killed. */
export interface Backend extends BackendFacts {
  /** Blockers and warnings of this host. None at all: the backend is harmless here. */
  preflight(host: HostView, facts: HostFacts): Promise<Finding[]>;
  /** Where payloads are kept. */
  root(facts: HostFacts): HostPath;
  /** The path, stable over generations, below which the engine finds this payload when it is active; without one: those that are stored now. */
  mountPoint(payloadFolder?: HostPath): HostPath;
  /** Where this generation's own files are: what its configuration.toml names. */
  payloadDir(payloadFolder: HostPath): HostPath;
  /** Towards a generation, or (none) off the host. `written`: the files of its payload are put in place by this change. */
  plan(host: HostView, to: GenerationManifest | undefined, written: boolean): Promise<Step[]>;
  /** Removes what only this backend shows, once another backend took over and the engine no longer names its files. */
  detach(host: HostView): Promise<Step[]>;
  /** What prevents these steps on the host as it is now, harm to other programs included. */
  risks(host: HostView, steps: Step[]): Promise<Finding[]>;
  status(host: HostView): Promise<Seen>;
  /** What keeps these processes from finding the files of a generation at the mount point; empty when nothing does. */
  verifyVisible(host: HostView, to: GenerationManifest, pids: number[]): Promise<string[]>;
}
