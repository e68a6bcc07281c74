import type { Digest } from '../host/index.ts';

/** What a node runs before any user logs in. */
export type OutputKind = 'ignition' | 'butane' | 'machineconfig' | 'containerfile';

/** A file that a node needs at its first boot. */
export interface Source {
  /** Its name on the node: letters, digits and ._+- only. */
  name: string;
  digest: Digest;
  /** Where the node fetches it; undefined where it is part of the image. */
  url?: string;
  /** How large it is, where that is known: a node fetches no more, and nothing that its disk has no room for. */
  sizeBytes?: number;
}

/** Whether a program is compressed, by the name that it has on the server. */
export function isCompressed({ name }: Pick<Source, 'name'>): boolean {
  return name.endsWith('.zst');
}

/** A file of the user for a handler of the nodes. */
export interface ComponentSource {
  /** As `--component` has it in front of the file: 'NAME:KIND'. */
  word: string;
  source: Source;
}

/** Each file once: several handlers may have the same. */
export function filesOf(components: readonly ComponentSource[] = []): Source[] {
  return [...new Map(components.map(({ source }) => [source.name, source])).values()];
}

/** What every request says. Digests are known: from here on everything is pure. */
interface Request {
  target: Target;
  kernelArguments: string[];
  /** The version of the program that generates. */
  version: string;
}

/** The node fetches the program and lets it install. */
export interface HookRequest extends Request {
  form: 'hook';
  program: Source;
  bundles: Source[];
  components?: ComponentSource[] | undefined;
  /** Further arguments of `install`. */
  installArguments: string[];
}

/** The node fetches what was installed elsewhere, onto a tree like its own. */
export interface RenderedRequest extends Request {
  form: 'rendered';
  archive: Source;
  /** Of what is in the archive, unpacked. */
  unpackedBytes: number;
  /** Paths on the node, in the order in which they are put there: files, pointer, wiring. */
  places: string[];
  /** What keeps the kernel modules loaded, of which a file of the node's own of that name stays. */
  modules?: string | undefined;
  engineUnit: string;
  /** Where the engine's wiring goes into files of the node's own. */
  against?: Against | undefined;
  /** Where it is a file beside those of the node. */
  beside?: Beside | undefined;
  /** Where the files are an image that the node's systemd merges. */
  merging?: Merging | undefined;
}

/** An image that is a system extension of the node. The archive has all else. */
export interface Merging {
  image: Source;
  /** The digest of what is in it: its extension-release says it. */
  payload: Digest;
  /** Where that text is once it is merged. */
  release: string;
  /** What enables the extension, by a link to where the image is kept on the node; and what starts the service at each boot where nothing does yet. */
  link: Link;
  wants: Link;
  service: string;
  /** The first version of systemd whose merges are harmless. */
  least: number;
}

interface Link {
  path: string;
  target: string;
}

/** What must be free on the node, or nothing of the archive is put there. */
export interface Beside {
  /** Files of the wiring: none may be there before. */
  own: string[];
  /** Names that no other file of the engine may have. */
  handlers: string[];
  /** What the engine reads: files, and folders of files. */
  read: readonly string[];
}

/** What the node's engine has to be configured like, or nothing of the archive is put there. */
export interface Against {
  /** The engine as a sentence names it. */
  title: string;
  /** The variable of its unit that may name the main file. */
  variable: string;
  /** The main file that the engine has to read, and what it has to contain; it reads this one where its command line names none. */
  config: string;
  digest: Digest;
  /** Patterns of further files that it reads: none may be there. */
  imports: { folder: string; name: string }[];
  /** Files that only the wiring has: none may be there before. */
  own: string[];
  /** How the engine's version begins (`2`, `1.7`), where the wiring is not right for every one. */
  version?: string | undefined;
  edits: Edit[];
}

/** A text of kata-sysext in a file of the node's own. */
export interface Edit {
  path: string;
  /** Of the file with that text in it. */
  digest: Digest;
  /** Bytes before that text. */
  at: number;
  /** The name of that text in the archive. */
  part: string;
}

/** Program and release install while an image is built. */
export interface BakedRequest extends Request {
  form: 'baked';
  program: Source;
  bundles: Source[];
  components?: ComponentSource[] | undefined;
  /** Further arguments of `install`. */
  installArguments: string[];
}

export type FirstBootRequest = HookRequest | RenderedRequest | BakedRequest;

export interface FirstBootFile {
  path: string;
  mode: number;
  text: string;
  note: string;
}

/** What has to be on a node before its first boot, whatever brings it there. Units are enabled. */
export interface FirstBoot {
  title: string;
  files: FirstBootFile[];
  units: { name: string; text: string; note: string }[];
  kernelArguments: string[];
  /** Whether units that run again take what is new to a node that has Kata already. */
  renews: boolean;
}

/** What an offline installation finds on an operating system. */
export interface TargetTree {
  osRelease: string;
  ostree: boolean;
  /** The oldest systemd of its supported releases, where system extensions are free to use: undefined where its engine comes as one. */
  systemd?: number;
}

/** A row of the table of operating systems. */
export interface Target {
  name: string;
  /** The Ignition specification that the oldest supported version of it reads. */
  ignition: string;
  /** Butane's variant and its version. */
  butane: { variant: string; version: string };
  /** Where downloads lie until they are installed: programs there may run, also under SELinux. */
  work: string;
  openshift: boolean;
  /** What the form *rendered* needs to know to install for it elsewhere; undefined where it would be a guess. */
  tree?: TargetTree;
  /** Its configuration may ask for arguments of the kernel. */
  kernelArguments: boolean;
}

/** A file of the result. */
export interface Generated {
  name: string;
  text: string;
}
