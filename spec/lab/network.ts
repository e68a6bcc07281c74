import { containerdConfig } from './containerd.ts';
import { SUITES, type Suite } from './roots.ts';
import type { Content } from './storage.ts';

const plugins = '/etc/lab/cni';
/** Where the plugin notes each pod that has a network. */
export const NETWORKS = '/run/lab-cni';

/** What pods with a network of their own need on a lab host: a CNI configuration and a plugin. */
export function networkFiles(): Record<string, Content> {
  return {
    '/etc/cni/net.d/10-lab.conflist': podNetwork.conflist,
    [`${plugins}/lab`]: { text: PLUGIN, mode: 0o755 },
    [`${plugins}/loopback`]: { text: PLUGIN, mode: 0o755 },
  };
}

/** The lab's configuration of containerd, with the folder of the plugins. */
export function containerdWithNetwork(suite: Suite): string {
  const config = containerdConfig(suite);
  const [table, key] =
    SUITES[suite].schema === 3
      ? [`plugins.'io.containerd.cri.v1.runtime'.cni`, 'bin_dirs']
      : ['plugins."io.containerd.grpc.v1.cri".cni', 'bin_dir'];
  return `${config}\n[${table}]\n${key} = ${SUITES[suite].schema === 3 ? `["${plugins}"]` : `"${plugins}"`}\n`;
}

/** The same as a drop-in of CRI-O, with the lab's image for sandboxes. */
export function crioNetwork(pause: string): Record<string, Content> {
  return {
    '/etc/crio/crio.conf.d/20-lab-network.conf': `[crio.network]\nplugin_dirs = ["${plugins}"]\n\n[crio.image]\npause_image = "${pause}"\npause_command = ""\n`,
  };
}

/** An address that leads nowhere: the lab's pods talk to nobody. What ADD makes, DEL takes away. */
const PLUGIN = `#!/bin/sh
mkdir -p ${NETWORKS}
case $CNI_COMMAND in
ADD)
  touch "${NETWORKS}/$CNI_CONTAINERID-$CNI_IFNAME"
  echo '{"cniVersion":"1.0.0","interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"address":"10.88.0.2/16","interface":0}]}'
  ;;
DEL) rm -f "${NETWORKS}/$CNI_CONTAINERID-$CNI_IFNAME" ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}' ;;
esac
`;

/** The CNI configuration, and the plugin `lab` that it names; the engine wants one called `loopback` as well. */
export const podNetwork = {
  conflist: `${JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'lab' }] })}\n`,
  plugin: PLUGIN,
};
