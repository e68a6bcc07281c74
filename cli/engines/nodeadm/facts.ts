import type { HostPath } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { hidden } from '../common/renderer.ts';
import { containerd } from '../containerd/index.ts';
import type { EngineFacts } from '../contract.ts';

/** nodeadm merges the NodeConfigs in it over the user data. Where it is missing, nodeadm fails and the node does not join its cluster. */
export const folder: HostPath = '/etc/eks/nodeadm.d';
/** Late among the names, because later files win; what an administrator calls 91-NAME to 99-NAME comes after it. */
export const wiringFile: HostPath = `${folder}/90-kata-sysext.yaml`;
/** What nodeadm made of its sources in this boot: at first the user data, then with the folder. */
export const cache: HostPath = '/run/eks/nodeadm/config.json';
/** nodeadm takes the version of containerd from this file, and asks the program where it is not there. */
export const versionFile: HostPath = '/etc/eks/containerd-version.txt';
/** It renders from the user data alone, before any other program of the boot. */
export const configUnit: Unit = 'nodeadm-config.service';
/** It renders from all sources and starts containerd and kubelet. Both units end after that. */
export const runUnit: Unit = 'nodeadm-run.service';

/** EKS (AL2023): nodeadm writes the configuration of containerd at each boot. */
export const facts: EngineFacts = {
  name: 'nodeadm',
  title: 'nodeadm',
  units: [runUnit],
  preparedBy: [configUnit],
  programs: ['nodeadm'],
  storage: [],
  // User data may hold secrets.
  report: hidden([folder, cache]),
  renders: {
    overwrites: containerd.name,
    units: [configUnit, runUnit],
    files: [folder, cache],
    written: /^[ \t]*base_runtime_spec = ["']\/etc\/containerd\/base-runtime-spec\.json["']/m,
    wired: {
      found: 'nodeadm (EKS) writes /etc/containerd/config.toml again at each boot, so that what is written there is lost',
      docs: {
        does: 'of EKS (AL2023): writes `/etc/containerd/config.toml` again at each boot',
        recognised: '`nodeadm-config.service` or `nodeadm-run.service` is enabled',
        works: 'the engine `nodeadm`, from v20251023 on, and earlier ones with containerd 2.x: [EKS nodes](../guides/eks.md)',
      },
    },
  },
};
