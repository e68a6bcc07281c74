import type { HostPath } from '../../host/types.ts';
import type { EngineFacts, Rendering } from '../contract.ts';

/** What differs between k3s and RKE2. Both are one program that starts containerd and the kubelet, and renders containerd's configuration. */
export interface Distribution {
  facts: EngineFacts & { renders: Rendering };
  /** `--data-dir` where nothing names another one. */
  dataDir: HostPath;
  /** Has config.yaml, config.yaml.d and registries.yaml. */
  settings: HostPath;
  /** Its program as its installers place it. */
  programs: readonly HostPath[];
  /** Its containerd, below the data folder. */
  bundled: string;
  /** It brings the network plugin flannel, whose folders are then in the configuration. */
  hasFlannel: boolean;
  /** The command that talks to its containerd. */
  ctr(dataDir: HostPath): string;
}

/** The schema of a configuration: 3 and later are one, because their templates are. */
export type Schema = 2 | 3;
