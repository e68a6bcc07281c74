import type { ForeignWiring } from '../../engines/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { Digest, HostPath } from '../../host/index.ts';
import type { Assignment } from '../../layout/settings/index.ts';
import type { LayerStep } from '../../transaction/index.ts';
import type { AliasRequest } from './aliases.ts';

/** Options of every changing verb. */
export interface ChangeOptions {
  dryRun: boolean;
  waitSeconds: number;
  /** Locks of other programs are waited for this long, and then passed by; undefined: they refuse the change at once. */
  othersSeconds?: number | undefined;
  /** Codes of the checks that the user overrides with `--allow`. */
  allow: string[];
  /** 'containerd' or 'containerd@1.7'. */
  engine?: string | undefined;
  /** Load the kernel modules of the handlers, and keep them; undefined: as the active generation has it. */
  loadModules?: boolean | undefined;
  /** A pod of each handler has to start before the change commits. */
  prove?: 'pod' | undefined;
}

export interface InstallRequest extends ChangeOptions {
  /** Real paths on this machine. */
  sources: string[];
  /** The generation keeps these paths, for the command that brings it back. Not where it is made for another machine. */
  keepPaths?: boolean | undefined;
  digests: (Digest | undefined)[];
  /** Exactly these; without any the installed set, changed by the next two. */
  handlers: string[];
  addHandlers?: string[] | undefined;
  removeHandlers?: string[] | undefined;
  aliases?: AliasRequest[] | undefined;
  backend?: string | undefined;
  /** In which form the payload is kept; undefined: as before. */
  format?: string | undefined;
  /** Make the generation and leave what is active as it is. */
  stage?: boolean | undefined;
  settings?: SettingsRequest | undefined;
  layer?: Layer | undefined;
}

/** A layered package whose place an installation takes. */
export interface Layer {
  name: string;
  shim: HostPath;
  /** What of the engine's files is its. */
  foreignWiring: ForeignWiring;
  /** Names that RuntimeClasses point at. */
  handlers: string[];
  /** Stages the removal of the package; undefined: it stays for now. */
  step?: LayerStep | undefined;
  findings: Finding[];
  nextCommand: string;
}

/** What the command line says about configuration. */
export interface SettingsRequest {
  set: Assignment[];
  /** Names of keys. */
  unset: string[];
  /** The whole list; undefined: as before. */
  profiles: string[] | undefined;
}
