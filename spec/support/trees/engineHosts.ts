import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { baseText } from '../rancher.ts';
import { put, type TreeName } from './hostTrees.ts';

/** What only the files of the hosts below have, and nothing that kata-sysext prints or keeps may have. */
export const secrets = {
  password: 'Corr3ct-horse"battery',
  auth: 'cm9ib3Q6U3Q0cGxlLTBmLWF1dGg=',
  identityToken: 'idt_9f8e7d6c5b4a',
  header: 'Zm9vYmFyLWhlYWRlcg-x',
  joinToken: 'K10f00dfeedf00dfeed::server:clu5ter-secret',
  proxyPassword: 'pr0xy-p4ss-9',
  unitValue: 'u-n1t-v4lue-XY',
  logToken: 'spl-unk-7f3a-t0ken',
  certificate: 'Y2VydC1hdXRob3JpdHktMDE=',
};

export interface EngineHost {
  tree: TreeName;
  /** As `--engine` takes it. */
  engine: string;
  /** Of the host, with a secret in each that holds settings of an engine: by path below the root. */
  files: Record<string, string>;
  /** Files of `files` that kata-sysext reads whole: what breaks them is reported. */
  settings: string[];
}

const registry = (images: string) =>
  `[plugins."${images}".registry.configs."registry.example.org".auth]\n  username = "robot"\n  password = ${JSON.stringify(secrets.password)}\n  auth = "${secrets.auth}"\n  identitytoken = "${secrets.identityToken}"\n`;
const oldCri = 'io.containerd.grpc.v1.cri';
const newImages = 'io.containerd.cri.v1.images';
const proxy = `[Service]\nEnvironment="HTTPS_PROXY=http://joe:${secrets.proxyPassword}@proxy.example.org:3128" "PLAIN=${secrets.unitValue}"\n`;
const hostsToml = `server = "https://registry.example.org"\n[host."https://mirror.example.org".header]\n  authorization = ["Basic ${secrets.header}"]\n`;

function rancher(program: 'k3s' | 'rke2', age: '2024' | '2026', unit: string, start: string): Record<string, string> {
  const folder = `var/lib/rancher/${program}/agent/etc/containerd`;
  const login = `configs:\n  registry.example.org:\n    auth:\n      password: ${JSON.stringify(secrets.password)}\n      auth: ${secrets.auth}\n`;
  return {
    [`etc/systemd/system/${unit}`]: `[Service]\nType=notify\nEnvironment=PLAIN=${secrets.unitValue}\nEnvironmentFile=-/etc/systemd/system/${unit}.env\nExecStart=${start} --token ${secrets.joinToken}\n`,
    [`etc/systemd/system/${unit}.env`]: `K3S_TOKEN=${secrets.joinToken}\n`,
    [`etc/rancher/${program}/config.yaml`]: `token: ${secrets.joinToken}\n`,
    [`etc/rancher/${program}/registries.yaml`]: login,
    [`${folder}/config.toml`]: `${baseText({ program, age })}${registry(age === '2024' ? oldCri : newImages)}`,
    [`${folder}/certs.d/registry.example.org/hosts.toml`]: hostsToml,
  };
}

const nodeadmStart = '/usr/bin/nodeadm init --skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/';

function nodeConfig(config: string): string {
  const lines = config.split('\n').map((line) => `      ${line}`.trimEnd());
  return `---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    certificateAuthority: ${secrets.certificate}\n  containerd:\n    config: |\n${lines.join('\n')}\n`;
}

/** Hosts of every engine that is wired, and of each way to wire it, as trees. */
export const engineHosts: Record<string, EngineHost> = {
  containerd: {
    tree: 'fcos',
    engine: 'containerd@1.7',
    files: {
      'etc/containerd/config.toml': `version = 2\n[plugins."${oldCri}".containerd.runtimes.runc]\n  runtime_type = "io.containerd.runc.v2"\n${registry(oldCri)}`,
      'etc/containerd/certs.d/registry.example.org/hosts.toml': hostsToml,
      'etc/systemd/system/containerd.service.d/proxy.conf': proxy,
    },
    settings: ['etc/containerd/config.toml'],
  },
  'containerd, a root file': {
    tree: 'flatcar',
    engine: 'containerd@2.1',
    files: {
      'usr/share/containerd/config.toml': `version = 3\n${registry(newImages)}`,
      'usr/lib/systemd/system/containerd.service': `[Service]\nEnvironment=CONTAINERD_CONFIG=/usr/share/containerd/config.toml\nExecStart=/usr/bin/containerd --config \${CONTAINERD_CONFIG}\n`,
      'etc/systemd/system/containerd.service.d/proxy.conf': proxy,
    },
    settings: ['usr/share/containerd/config.toml'],
  },
  'CRI-O': {
    tree: 'fcos',
    engine: 'crio@1.34',
    files: {
      'etc/crio/crio.conf.d/10-crio.conf': `[crio.runtime]\ndefault_runtime = "runc"\ndefault_env = ["TOKEN=${secrets.unitValue}"]\n[crio.runtime.runtimes.runc]\nruntime_path = "/usr/bin/runc"\n`,
      'etc/containers/auth.json': JSON.stringify({ auths: { 'registry.example.org': { auth: secrets.auth } } }),
      'etc/systemd/system/crio.service.d/proxy.conf': proxy,
    },
    settings: ['etc/crio/crio.conf.d/10-crio.conf'],
  },
  Docker: {
    tree: 'fcos',
    engine: 'docker@28.0.4',
    files: {
      'etc/docker/daemon.json': `{\n\t"debug": false,\n\t"log-opts": {"splunk-token": "${secrets.logToken}"},\n\t"proxies": {"https-proxy": "http://joe:${secrets.proxyPassword}@proxy.example.org:3128"}\n}`,
      'root/.docker/config.json': JSON.stringify({ auths: { 'registry.example.org': { auth: secrets.auth } } }),
      'usr/lib/systemd/system/docker.service': '[Service]\nExecStart=/usr/bin/dockerd -H fd://\n',
      'usr/bin/dockerd': '',
      'etc/systemd/system/docker.service.d/proxy.conf': proxy,
    },
    settings: ['etc/docker/daemon.json'],
  },
  'k3s, templates': {
    tree: 'fcos',
    engine: 'k3s@1.30.2',
    files: rancher('k3s', '2024', 'k3s.service', '/usr/local/bin/k3s server'),
    settings: ['var/lib/rancher/k3s/agent/etc/containerd/config.toml'],
  },
  'k3s, a drop-in': {
    tree: 'fcos',
    engine: 'k3s@1.35.3',
    files: rancher('k3s', '2026', 'k3s.service', '/usr/local/bin/k3s server'),
    settings: ['var/lib/rancher/k3s/agent/etc/containerd/config.toml'],
  },
  RKE2: {
    tree: 'fcos',
    engine: 'rke2@1.35.3',
    files: rancher('rke2', '2026', 'rke2-agent.service', '/usr/local/bin/rke2 agent'),
    settings: ['var/lib/rancher/rke2/agent/etc/containerd/config.toml'],
  },
  k0s: {
    tree: 'fcos',
    engine: 'k0s@1.34.1',
    files: {
      'etc/systemd/system/k0sworker.service': `[Service]\nEnvironment=PLAIN=${secrets.unitValue}\nExecStart=/usr/local/bin/k0s worker --token-file=/etc/k0s/token\n`,
      'etc/k0s/token': `${secrets.joinToken}\n`,
      'etc/k0s/containerd.toml': '# k0s_managed=true\nimports = ["/run/k0s/containerd-cri.toml"]\nversion = 2\n',
      'etc/k0s/containerd.d/10-mine.toml': `version = 2\n${registry(oldCri)}`,
    },
    settings: ['etc/k0s/containerd.d/10-mine.toml'],
  },
  nodeadm: {
    tree: 'fcos',
    engine: 'nodeadm@2.1.9',
    files: {
      'etc/systemd/system/nodeadm-run.service': `[Service]\nType=oneshot\nExecStart=${nodeadmStart} --config-cache /run/eks/nodeadm/config.json\n`,
      'usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
      'etc/eks/nodeadm.d/10-mine.yaml': nodeConfig(registry(newImages)),
    },
    settings: ['etc/eks/nodeadm.d/10-mine.yaml'],
  },
};

/** Puts the host's files there, with its own unit enabled, in the place of the containerd that the tree comes with. */
export function prepareEngineHost(root: string, { files }: EngineHost): void {
  rmSync(join(root, 'etc/containerd'), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    // In an ostree tree /root is a link.
    put(root, path.replace(/^root\//, 'var/roothome/'), text);
    const unit = /^etc\/systemd\/system\/([\w-]+\.service)$/.exec(path)?.[1];
    if (unit === undefined) continue;
    const wants = join(root, 'etc/systemd/system/multi-user.target.wants', unit);
    mkdirSync(dirname(wants), { recursive: true });
    symlinkSync(`../${unit}`, wants);
  }
}
