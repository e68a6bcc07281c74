import { containerdConfig } from '../../lab/containerd.ts';
import type { Commands } from '../../lab/enter.ts';
import type { HostOptions } from '../../lab/host.ts';
import { JUDGE } from '../../lab/judge.ts';
import { NODE_IMAGE } from '../nodeImage.ts';

/**
 * What a host needs so that pods have a network namespace of their own: a plugin that only claims to have set something up in it. A node pod
 * talks to its node by a socket of the file system.
 */
export function hostOfNodePods(): HostOptions {
  const result = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: '/' }], ips: [{ interface: 0, address: '10.88.0.2/24' }] };
  const plugin = { text: `#!/bin/sh\ncat >/dev/null\necho '${JSON.stringify(result)}'\n`, mode: 0o755 };
  return {
    suite: 'trixie',
    containerdConfig: `${containerdConfig('trixie')}\n[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/etc/lab/cni"\n`,
    files: {
      '/etc/lab/cni/loopback': plugin,
      '/etc/lab/cni/lab': plugin,
      '/etc/cni/net.d/10-lab.conflist': `${JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'lab' }] })}\n`,
    },
  };
}

/** A pod as the chart describes it, by the CRI: a sandbox with namespaces of its own. */
export interface NodePod {
  id: string;
  name: string;
  network: 'its own' | 'of the node';
}

export interface ContainerOf {
  name: string;
  command: string[];
  env?: Record<string, string>;
  mounts: { host_path: string; container_path: string; readonly: boolean }[];
  uid: number;
  /** The type of the container's process, where the engine sets labels. */
  selinuxType?: string;
  /** Only in a pod that is privileged. It keeps its capabilities, as the chart has it for `podMode: privileged`. */
  privileged?: boolean;
}

/** Modes of a namespace in the CRI. */
const [POD, CONTAINER, NODE] = [0, 1, 2];

/** A host without a network for pods has them in its own network namespace. */
const namespacesOf = (network: 'its own' | 'of the node') => ({ network: network === 'its own' ? POD : NODE, pid: CONTAINER, ipc: POD });

/** The folders of the node that the container `change` has, and nothing else of it. */
export const changeMounts = [
  { host_path: '/run/dbus', container_path: '/run/dbus', readonly: false },
  { host_path: '/var/lib/kata-sysext', container_path: '/var/lib/kata-sysext', readonly: false },
  { host_path: '/etc/kata-sysext', container_path: '/etc/kata-sysext', readonly: true },
];
export const reportMounts = changeMounts.slice(2);

/** Starts the sandbox. The kubelet makes the folders of type DirectoryOrCreate. */
export async function startNodePod(
  host: Commands,
  name: string,
  { network = 'its own', privileged = false }: { network?: NodePod['network']; privileged?: boolean } = {},
): Promise<NodePod> {
  await host.run(['mkdir', '-p', '/var/lib/kata-sysext', '/etc/kata-sysext', `/var/log/pods/${name}`]);
  const config = {
    metadata: { name, uid: `uid-${name}`, namespace: 'kata-sysext' },
    log_directory: `/var/log/pods/${name}`,
    linux: { security_context: { namespace_options: namespacesOf(network), privileged } },
  };
  const file = await put(host, `${name}-pod.json`, config);
  return { id: (await host.run([JUDGE, 'runp', file])).stdout.trim(), name, network };
}

/** Starts a container of the image: all capabilities dropped, no new privileges, a read-only root, the engine's seccomp profile. */
export async function startIn(
  host: Commands,
  pod: NodePod,
  { name, command, env = {}, mounts, uid, selinuxType, privileged = false }: ContainerOf,
): Promise<string> {
  const config = {
    metadata: { name },
    image: { image: NODE_IMAGE, user_specified_image: NODE_IMAGE },
    command,
    envs: Object.entries(env).map(([key, value]) => ({ key, value })),
    mounts,
    log_path: `${name}.log`,
    linux: {
      security_context: {
        run_as_user: { value: uid },
        ...(privileged
          ? { privileged }
          : { capabilities: { drop_capabilities: ['ALL'] }, no_new_privs: true, seccomp: { profile_type: 0 } }),
        readonly_rootfs: true,
        namespace_options: namespacesOf(pod.network),
        ...(selinuxType === undefined ? {} : { selinux_options: { type: selinuxType } }),
      },
    },
  };
  const file = await put(host, `${pod.name}-${name}.json`, config);
  const { stdout } = await host.run([JUDGE, 'create', pod.id, file, `/root/${pod.name}-pod.json`]);
  await host.run([JUDGE, 'start', stdout.trim()]);
  return stdout.trim();
}

export interface Ended {
  status: number;
  /** Both streams, as `kubectl logs` shows them. */
  log: string;
}

/** Waits until a container has ended. */
export async function endOf(host: Commands, pod: NodePod, name: string, id: string, timeoutMs = 600_000): Promise<Ended> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    // A change restarts the engine: then nothing answers for a moment.
    const { code, stdout } = await host.run([JUDGE, 'inspect', id], { allowFailure: true });
    const { status } = (code === 0 ? JSON.parse(stdout) : { status: {} }) as { status: { state?: string; exitCode?: number } };
    if (status.state === 'CONTAINER_EXITED') return { status: status.exitCode ?? 0, log: await logOf(host, pod, name) };
    if (Date.now() > deadline) throw new Error(`container ${name} of ${pod.name} does not end`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function logOf(host: Commands, pod: NodePod, name: string): Promise<string> {
  const { stdout } = await host.run(['cat', `/var/log/pods/${pod.name}/${name}.log`], { allowFailure: true });
  return stdout.replace(/^\S+ std(out|err) [FP] /gm, '');
}

/** Removes the pod with all its containers, as a deleted pod goes. */
export async function removeNodePod(host: Commands, pod: NodePod): Promise<void> {
  for (let tries = 0; ; tries++) {
    const ran = await host.sh(`${JUDGE} stopp ${pod.id} && ${JUDGE} rmp ${pod.id}`, { allowFailure: true });
    if (ran.code === 0) break;
    if (tries === 25) throw new Error(`pod ${pod.name} cannot be removed: ${ran.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await host.sh(`rm -rf /root/${pod.name}-*.json /var/log/pods/${pod.name}`);
}

async function put(host: Commands, name: string, value: unknown): Promise<string> {
  await host.sh(`cat > /root/${name}`, { input: JSON.stringify(value) });
  return `/root/${name}`;
}
