import type { Finding } from '../../../errors/index.ts';
import type { HostPath } from '../../../host/index.ts';
import type { DeployedHandler } from './texts.ts';

/** A file of an engine, as it is with kata-deploy's part and without. */
export interface DeployedFile {
  /** The engine that reads it, as `Deployed.engines` names it. */
  engine: string;
  /** Real. */
  path: HostPath;
  text: string;
  after: string | 'absent';
}

/** What kata-deploy has on a host. */
export interface Deployed {
  handlers: DeployedHandler[];
  /** Engines whose files it edited, by the names of `--engine`; 'microk8s' too. */
  engines: string[];
  files: DeployedFile[];
  /** Key paths of engines' settings that go or change, without those of its handlers. */
  keys: string[][];
  /** Folders with a release. */
  destinations: HostPath[];
  /** Its snapshotters' units. */
  units: string[];
  /** Small text files and links of root: kept in the journal until the commit. */
  texts: HostPath[];
  links: { path: HostPath; target: string }[];
  /** Everything else, whole: set aside by a rename. */
  trees: HostPath[];
  /** What users set, and loses its file. */
  settings: UsersSettings[];
  /** What stays, and why. */
  findings: Finding[];
}

/** A file of settings of users that goes with kata-deploy. */
export interface UsersSettings {
  path: HostPath;
  /** The handler that they are for; undefined: for the engine. */
  handler?: DeployedHandler | undefined;
}

/** What kata-deploy wrote into files of engines. */
export interface EngineParts {
  engines: string[];
  files: DeployedFile[];
  handlers: DeployedHandler[];
  keys: string[][];
  /** Drop-ins below a destination that a main file imports. */
  imported: HostPath[];
  settings: UsersSettings[];
  findings: Finding[];
}
