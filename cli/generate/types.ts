import type { Digest } from '../host/index.ts';

/** What a node runs before anybody logs in. */
export type OutputKind = 'ignition' | 'butane' | 'machineconfig' | 'containerfile';

/** A file that a node needs at its first boot. */
export interface Source {
  /** Its name on the node: letters, digits and ._+- only. */
  name: string;
  digest: Digest;
  /** Where the node fetches it; undefined where it is part of the image. */
  url?: string;
}

/** What a request asks for, digests known: from here on everything is pure. */
export interface FirstBootRequest {
  target: Target;
  program: Source;
  bundles: Source[];
  /** Further arguments of `install`. */
  installArguments: string[];
  kernelArguments: string[];
  /** The version of the program that generates. */
  version: string;
}

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
  /** Its configuration may ask for arguments of the kernel. */
  kernelArguments: boolean;
}

/** A file of the result. */
export interface Generated {
  name: string;
  text: string;
}
