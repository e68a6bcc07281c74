import { explainRendered, hidden } from '../common/renderer.ts';
import { containerd } from '../containerd/index.ts';
import type { RefusedEngine } from '../types.ts';

/** EKS. It runs for a moment at each boot and starts no engine itself. */
export const nodeadm: RefusedEngine = {
  kind: 'refused',
  name: 'nodeadm',
  title: 'nodeadm',
  units: [],
  programs: ['nodeadm'],
  storage: [],
  report: hidden([]),
  renders: {
    overwrites: containerd.name,
    units: ['nodeadm-config.service', 'nodeadm-run.service'],
    files: ['/etc/eks/nodeadm.d', '/run/eks/nodeadm/config.json'],
    written: /^[ \t]*base_runtime_spec = ["']\/etc\/containerd\/base-runtime-spec\.json["']/m,
  },
  refusal: {
    found: 'nodeadm (EKS) writes /etc/containerd/config.toml again at each boot, so that what is written there is lost',
    needed: 'a node on which nodeadm does not write that file: it takes handlers from spec.containerd.config in /etc/eks/nodeadm.d only',
    next: `${explainRendered}; systemctl cat nodeadm-config nodeadm-run`,
    docs: {
      does: 'of EKS (AL2023): writes `/etc/containerd/config.toml` again at each boot',
      recognised: '`nodeadm-config.service` or `nodeadm-run.service` is enabled',
      works: 'nothing; nodeadm does not write CRI-O’s files',
    },
  },
};
