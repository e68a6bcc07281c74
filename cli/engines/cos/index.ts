import { explainRendered, refusedHost } from '../common/renderer.ts';

/** GKE: a script of the node writes the file at each boot. */
export const cos = refusedHost(
  { name: 'cos', title: 'Container-Optimized OS' },
  { ids: ['cos'], files: [] },
  {
    found:
      'Container-Optimized OS (GKE) has no /etc that is kept, and the setup of the node writes the configuration of containerd again at each boot',
    needed: 'a node pool with the image UBUNTU_CONTAINERD, or GKE Sandbox for isolation: GKE takes no handlers of others on this system',
    next: `${explainRendered}; gcloud container node-pools create --image-type UBUNTU_CONTAINERD`,
    docs: {
      does: 'of GKE: `/etc` is made at each boot, and the setup of the node writes the configuration of containerd then',
      recognised: '`ID=cos` in os-release',
      works: 'a node pool with `--image-type UBUNTU_CONTAINERD`; GKE Sandbox (gVisor)',
    },
  },
);
