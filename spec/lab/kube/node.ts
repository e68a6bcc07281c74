import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BUILT, containerdConfig, kubeRunc } from '../containerd.ts';
import { builtContainerd } from '../goPrograms.ts';
import { bootHost, type LabHost } from '../host.ts';
import { judgeBinds } from '../judge.ts';
import { kubeRoot } from '../roots.ts';
import type { Content } from '../storage.ts';
import { kubeconfigOf, makeCertificate } from './certificates.ts';
import { addressOf, type Network, nodeNetwork, podsOf } from './network.ts';
import { type Engine, engines } from './programs.ts';

export interface NodeOptions {
  /** Of the Node and its host. */
  name: string;
  containerd: Engine;
  /** As for a lab host, beside what a node has. */
  files?: Record<string, Content>;
  binds?: Record<string, string>;
}

export interface Cluster {
  bridge: Network;
  pki: string;
  kubernetes: string;
}

export interface Node {
  host: LabHost;
  stop(): Promise<void>;
}

let count = 0;

/** Boots a host with containerd and a kubelet, which registers it; `number` is its place in the network. */
export async function bootNode({ name, containerd, files, binds }: NodeOptions, number: number, cluster: Cluster): Promise<Node> {
  const network = await nodeNetwork(cluster.bridge, number);
  try {
    await makeCertificate(cluster.pki, name, `/O=system:nodes/CN=system:node:${name}`);
    const release = engines[containerd];
    const host = await bootHost({
      suite: 'trixie',
      name: `kube-${process.pid}-${++count}-${name}`,
      base: await kubeRoot(),
      network: network.path,
      // The kubelet reads there what the kernel's OOM killer says.
      devices: ['/dev/kmsg'],
      containerdConfig: configOf(containerd),
      files: { ...(await nodeFiles(name, number, cluster.pki)), ...engineFiles(containerd), ...files },
      binds: {
        [cluster.kubernetes]: '/mnt/kube',
        ...(release === undefined ? {} : { [await builtContainerd(release)]: BUILT }),
        ...(await judgeBinds()),
        ...binds,
      },
    });
    return {
      host,
      stop: async () => {
        await host.stop();
        await network.stop();
      },
    };
  } catch (error) {
    await network.stop();
    throw error;
  }
}

const plugins = '/usr/lib/cni';

/** 2.0 has one folder of plugins, later ones several; from 2.3 on its own schema is 4. */
function configOf(engine: Engine): string {
  if (engine === '1.7') return `${containerdConfig('trixie')}\n[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "${plugins}"\n`;
  const folders = engine === '2.0' ? `bin_dir = '${plugins}'` : `bin_dirs = ['${plugins}']`;
  const text = `${containerdConfig('forky')}\n[plugins.'io.containerd.cri.v1.runtime'.cni]\n${folders}\n`;
  return engine === '2.0' ? text : text.replace('version = 3', 'version = 4');
}

function engineFiles(engine: Engine): Record<string, Content> {
  const folder = '/etc/systemd/system/containerd.service.d';
  if (engines[engine] === undefined) return kubeRunc();
  return { ...kubeRunc(), [`${folder}/20-lab.conf`]: `[Service]\nExecStart=\nExecStart=${BUILT}/containerd\n` };
}

async function nodeFiles(name: string, number: number, pki: string): Promise<Record<string, Content>> {
  return {
    '/etc/hostname': `${name}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n${addressOf(number)} ${name}\n`,
    '/etc/cni/net.d/10-lab.conflist': `${JSON.stringify(conflist(number))}\n`,
    '/etc/kubernetes/kubelet.yaml': `${JSON.stringify(kubelet)}\n`,
    '/etc/kubernetes/kubelet.kubeconfig': { text: await kubeconfigOf(pki, { certificate: name }), mode: 0o600 },
    '/etc/kubernetes/ca.crt': await readFile(join(pki, 'ca.crt'), 'utf8'),
    '/etc/lab/sysctls.sh': SYSCTLS,
    '/etc/systemd/system/kubelet.service': unit(name, number),
    '/etc/systemd/system/multi-user.target.wants/kubelet.service': { link: '../kubelet.service' },
  };
}

function conflist(number: number) {
  const ipam = { type: 'host-local', ranges: [[{ subnet: podsOf(number) }]], routes: [{ dst: '0.0.0.0/0' }] };
  return { cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'bridge', bridge: 'cni0', isGateway: true, ipam }] };
}

/** What the machine's cgroups, which have no controllers, and its swap ask for; all else as on a real node. */
const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  cgroupDriver: 'cgroupfs',
  cgroupsPerQOS: false,
  enforceNodeAllocatable: [],
  failSwapOn: false,
  localStorageCapacityIsolation: false,
  evictionHard: {},
  imageGCHighThresholdPercent: 100,
  authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: '/etc/kubernetes/ca.crt' } },
  authorization: { mode: 'Webhook' },
  clusterDNS: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  // Its default is below /usr.
  volumePluginDir: '/var/lib/kubelet/volumeplugins',
  nodeStatusUpdateFrequency: '4s',
};

/** The kubelet insists on these values. They are the machine's own, so it gets files with them, which are mounted over the real ones. */
const SYSCTLS = `#!/bin/sh
mkdir -p /run/lab-sysctl
for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  name=\${pair%=*} file=/run/lab-sysctl/$(echo "\${pair%=*}" | tr / _)
  echo "\${pair#*=}" > "$file"
  grep -q " /proc/sys/$name " /proc/self/mounts || mount --bind "$file" "/proc/sys/$name"
done
`;

function unit(name: string, number: number): string {
  return `[Unit]
Description=kubelet
After=containerd.service
Wants=containerd.service

[Service]
ExecStartPre=/bin/sh /etc/lab/sysctls.sh
ExecStart=/mnt/kube/kubelet --config=/etc/kubernetes/kubelet.yaml --kubeconfig=/etc/kubernetes/kubelet.kubeconfig --node-ip=${addressOf(number)} --hostname-override=${name}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
`;
}
