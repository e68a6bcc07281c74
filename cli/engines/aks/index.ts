import { explainRendered, refusedHost } from '../common/renderer.ts';

/** AKS: its provisioning script writes the file once in the life of a node. */
export const aks = refusedHost(
  { name: 'aks', title: 'AKS' },
  { ids: [], files: ['/opt/azure/containers/provision.complete', '/opt/azure/vhd-install.complete'] },
  {
    found: 'the provisioning of AKS removes /etc/containerd/config.toml and writes it again whenever a node is made or reimaged',
    needed: 'a node pool that has Kata from AKS: its handlers have their names there already',
    next: `${explainRendered}; az aks nodepool add --workload-runtime KataVmIsolation`,
    docs: {
      does: 'writes `/etc/containerd/config.toml` when a node is made or reimaged; an upgrade of the node image is a new node',
      recognised: '`/opt/azure/containers/provision.complete` or `/opt/azure/vhd-install.complete`',
      works: 'a node pool of AKS with pod sandboxing: `az aks nodepool add --workload-runtime KataVmIsolation`',
    },
  },
);
