import type { OwnWanted } from '../../components/types.ts';
import type { Fetching } from '../../download/types.ts';
import type { Displaced, ForeignWiring } from '../../engines/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { Digest, HostPath } from '../../host/index.ts';
import type { Assignment } from '../../layout/settings/index.ts';
import type { LayerStep, Step } from '../../transaction/index.ts';
import type { ArchiveProver, SignatureFile, Verifier } from '../../trust/index.ts';
import type { AliasRequest } from './aliases.ts';

/** Options of every changing verb. */
export interface ChangeOptions {
  dryRun: boolean;
  waitSeconds: number;
  /** Locks of other programs are waited for this long, and then passed by; undefined: they refuse the change at once. */
  othersSeconds?: number | undefined;
  /** Codes of the checks that the user overrides with `--allow`. */
  allow: string[];
  /** Each 'containerd' or 'containerd@1.7', in the order of the command line. */
  engines?: string[] | undefined;
  /** Load the kernel modules of the handlers, and keep them; undefined: as the active generation has it. */
  loadModules?: boolean | undefined;
  /** A pod of each handler has to start before the change commits. */
  prove?: 'pod' | undefined;
}

export interface InstallRequest extends ChangeOptions {
  /** Real paths on this machine, and https addresses, each of these with its digest or signature. */
  sources: string[];
  fetching?: Fetching | undefined;
  /** By position. */
  signatures?: (SignatureFile | undefined)[] | undefined;
  /** By position: made of `signatures` and of what the host trusts. */
  verifiers?: (Verifier | undefined)[] | undefined;
  /** By position: of a saved bundle, where nothing proves the file as a whole. */
  provers?: (ArchiveProver | undefined)[] | undefined;
  /** The host demands signatures. */
  strict?: boolean | undefined;
  /** The generation keeps these paths, for the command that brings it back. Not where it is made for another machine. */
  keepPaths?: boolean | undefined;
  digests: (Digest | undefined)[];
  /** Exactly these; without any the installed set, changed by the next two. */
  handlers: string[];
  addHandlers?: string[] | undefined;
  removeHandlers?: string[] | undefined;
  aliases?: AliasRequest[] | undefined;
  /** Aliases that get files of the user. */
  own?: OwnWanted[] | undefined;
  backend?: string | undefined;
  /** In which form the payload is kept; undefined: as before. */
  format?: string | undefined;
  /** Aliases, settings and profiles are those of this request alone: what it leaves out goes. */
  exactly?: boolean | undefined;
  /** Make the generation and leave what is active as it is. */
  stage?: boolean | undefined;
  settings?: SettingsRequest | undefined;
  layer?: Layer | undefined;
}

/** A layered package, or another installer, whose place an installation takes. */
export interface Layer {
  /** The word of `adopt`; default: layered. */
  mode?: string;
  name: string;
  shim: HostPath;
  /** What of the engine's files is its. */
  foreignWiring: ForeignWiring;
  /** Names that RuntimeClasses point at. */
  handlers: string[];
  /** Stages the removal of the package; undefined: it stays for now. */
  step?: LayerStep | undefined;
  /** Text of it that no mark names, and what else of it goes in the same change. */
  displaced?: Displaced | undefined;
  further?: Step[] | undefined;
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
