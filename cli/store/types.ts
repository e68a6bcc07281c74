import type { SourceRecord, TreeEntry } from '../bundle/types.ts';
import type { Wiring } from '../engines/types.ts';
import type { Digest, HostPath } from '../host/index.ts';
import type { Format, ImageFormat } from '../images/types.ts';
import type { LaidHandler, Setting } from '../layout/types.ts';

export type { Setting };

/**
 * The one schema of every document in the state folder: manifests of payloads, generations and programs, records, history, folders, journal.
 * The program writes and reads this one only. spec/fixtures/state-v1 has a document of each.
 */
export const schema = 1;

/** `payloads/<hex>.json`: what a payload is, immutable. */
export interface PayloadManifest {
  schema: number;
  digest: Digest;
  root: HostPath;
  /** Where the release's tree is. */
  folder: HostPath;
  /** The folder around it that systemd-sysext can merge, and its extension-release text. */
  extension: { folder: HostPath; release: string };
  /** The payload is one file in that folder. Of the release's tree only the configurations lie beside it, as generations are made of them. */
  image?: { format: ImageFormat; sizeBytes: number; digest: Digest };
  release: string;
  sources: SourceRecord[];
  handlers: LaidHandler[];
  defaultHandler: string;
  available: string[];
  /** All of the release's tree, in an image too. */
  entries: TreeEntry[];
  sizeBytes: number;
  savedBytes: number;
}

export interface GenerationHandler {
  name: string;
  release: string;
  family: 'go' | 'rust';
  hypervisor: string;
  /** Paths relative to the payload. */
  shim: string;
  configuration: string;
  /** See `LaidHandler`. */
  protocol?: number;
  /** Digests of what the engine will use. */
  shimDigest: Digest;
  configurationDigest: Digest;
}

/** What the administrator chose on top of the release; upgrades keep it. Handlers by their installed name ('kata-qemu'). */
export interface Choices {
  /** Aliases that the engine offers: name → handler. */
  aliases: Record<string, string>;
  /** Handler → names of profiles, in the order of their effect. */
  profiles: Record<string, string[]>;
  /** Handler → path of the key in its TOML ('hypervisor.qemu.default_memory') → value. They win over profiles. */
  settings: Record<string, Record<string, Setting>>;
}

/** `generations/<n>/manifest.json`: immutable. */
export interface GenerationManifest {
  schema: number;
  number: number;
  created: string;
  program: string;
  release: string;
  sources: SourceRecord[];
  /** Where each of them lay on the machine that installed it; absent in what is made for another machine. */
  sourcePaths?: string[];
  payload: Digest;
  payloadFolder: HostPath;
  /** Where its configuration and its link to the payload lie, if not beside this file: see `folderOf`. */
  folder?: HostPath;
  backend: string;
  format: Format;
  handlers: GenerationHandler[];
  choices: Choices;
}

export type GenerationState = 'preparing' | 'staged' | 'active' | 'blessed' | 'retired' | 'failed';

/** Who wrote the files of a generation that the program only took over. */
export interface Owner {
  kind: 'ignition' | 'machineconfig';
  /** Of the MachineConfig, where it is known. */
  name?: string;
  /** The script that ran at the first boot: these files stay with what brought them. */
  files: HostPath[];
  /** What it brought. */
  archive?: { name: string; digest: Digest; url?: string };
}

/** Wiring of a layered package that a generation replaced. Copies of the files as they were lie in its folder, by number. */
export interface Replaced {
  package: string;
  shim: HostPath;
  handlers: string[];
  /** By digest and mode as they were, and as the change left them. */
  files: { path: HostPath; digest: Digest; mode: number; after: Digest | 'absent' }[];
}

/** `generations/<n>/record.json`: what changes about a generation. */
export interface GenerationRecord {
  schema: number;
  state: GenerationState;
  /** The generation that was active before this one was last activated. */
  previous?: number;
  activated?: string;
  wiring?: Wiring;
  /** Other programs' files with text of kata-sysext in them, by digest as it left them: what differs later was edited since. */
  edited?: Record<HostPath, Digest>;
  pinned?: boolean;
  owner?: Owner;
  replaced?: Replaced;
  /** False: the user loads the kernel modules. */
  loadModules?: boolean;
  /**
   * Codes that the administrator named with --allow when it was made or made active, or for the one before it: at a boot no one can be
   * asked.
   */
  allowed?: string[];
  /**
   * `wiring` and `edited` of each deployment that has an /etc of its own: what a boot of one makes of them is not what the files of another
   * have. Those above are what was written last, by whichever deployment. Read through `activeGeneration`.
   */
  wirings?: Record<string, { wiring?: Wiring; edited?: Record<HostPath, Digest> }>;
  /** Proven after a boot, on this deployment. Stays when another generation takes over: a guard that rolls one back returns to it. */
  blessed?: { at: string; deployment: string };
  /** Of each deployment, whichever boots in between. Read through `triesIn`. */
  tries?: Tries[];
}

/** Boots of a deployment in which it was active and not blessed yet, since it was activated at `since`; `boot` is the last one that counted. */
export interface Tries {
  deployment: string;
  since: string;
  boots: number;
  boot: string;
}

export interface Generation {
  manifest: GenerationManifest;
  record: GenerationRecord;
}
