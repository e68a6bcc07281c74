import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAUSE } from './containerd.ts';
import { ownGoProgram } from './goPrograms.ts';
import type { Availability, Suite } from './roots.ts';
import { SUITES } from './roots.ts';
import type { Content } from './storage.ts';

/** Where a host has the stand-in for nodeadm. */
const PROGRAM = '/mnt/nodeadm/nodeadm';
export const USER_DATA = '/etc/lab/user-data';

/** The stand-in for nodeadm on this machine: nodeadm's own merge and templates, without AWS. */
export function nodeadmStandIn(): Promise<string> {
  return ownGoProgram('nodeadm', fileURLToPath(new URL('nodeadm', import.meta.url)));
}

export async function nodeadmAvailable(): Promise<Availability> {
  try {
    await nodeadmStandIn();
    return { ok: true };
  } catch {
    return { ok: false, why: 'the stand-in for nodeadm cannot be built: it needs Go and its modules' };
  }
}

export async function nodeadmBinds(): Promise<Record<string, string>> {
  return { [dirname(await nodeadmStandIn())]: dirname(PROGRAM) };
}

const limits = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  containerd:
    baseRuntimeSpec:
      process:
        rlimits:
          - { type: RLIMIT_NOFILE, soft: 1024, hard: 1024 }
`;
const config = '--config-cache /run/eks/nodeadm/config.json';

/** The units of an AMI: nodeadm's two are enabled, those of containerd and kubelet are not. `environment` is of the stand-in. */
export function nodeadmFiles(suite: Suite, schema: 2 | 3, more = ''): Record<string, Content> {
  const unit = (name: string, order: string, args: string): Record<string, Content> => ({
    [`/etc/systemd/system/${name}`]: `[Unit]\n${order}\n[Service]\nType=oneshot\nEnvironmentFile=-/etc/lab/nodeadm.env\nExecStart=${PROGRAM} init ${args} ${config}\n[Install]\nWantedBy=multi-user.target\n`,
    [`/etc/systemd/system/multi-user.target.wants/${name}`]: { link: `../${name}` },
  });
  return {
    ...unit('nodeadm-config.service', 'Before=cloud-init.service', '--skip run --config-source imds://user-data'),
    ...unit(
      'nodeadm-run.service',
      'After=nodeadm-config.service cloud-final.service\nRequires=nodeadm-config.service',
      '--skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/',
    ),
    '/etc/systemd/system/kubelet.service':
      '[Unit]\nAfter=containerd.service\nWants=containerd.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n',
    // Nothing else of the host starts containerd.
    '/etc/systemd/system/node-agent.service': '[Service]\nExecStart=/usr/bin/sleep infinity\n',
    // The limits of nodeadm's own runtime specification are higher than this machine may give.
    '/etc/eks/nodeadm.d/10-limits.yaml': limits,
    '/etc/eks/nodeadm.d/README': 'nodeadm reads YAML and JSON here.\n',
    [USER_DATA]: userData(suite, schema, more),
  };
}

/** User data in which the lab's own needs are settings of the user: without them no pod runs. */
export function userData(suite: Suite, schema: 2 | 3, more = ''): string {
  const toml = `${schema === 3 ? version3 : version2(suite)}${more}`;
  const lines = toml.split('\n').map((line) => `      ${line}`.trimEnd());
  return `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="BOUNDARY"

--BOUNDARY
Content-Type: application/node.eks.aws

---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: my-cluster
    apiServerEndpoint: https://example.com
    certificateAuthority: c2VjcmV0LW9mLXRoZS1ub2Rl
    cidr: 10.100.0.0/16
  containerd:
    config: |
${lines.join('\n')}

--BOUNDARY--
`;
}

const version3 = `[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "/etc/lab/bin/runc"
SystemdCgroup = false
`;

function version2(suite: Suite): string {
  const old = SUITES[suite].containerd !== '2';
  return `[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${PAUSE}"
restrict_oom_score_adj = true
${old ? 'disable_cgroup = true\n' : ''}[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "${old ? 'runc' : '/etc/lab/bin/runc'}"
SystemdCgroup = false
`;
}
