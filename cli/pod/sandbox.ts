import type { ContainerConfig, PodSandbox, SandboxConfig } from '../cri/index.ts';

/** The namespace of all pods that this program starts. */
const podNamespace = 'kata-sysext';

const runLabel = 'kata-sysext.run';
const runPattern = /^[0-9a-f]{16}$/;

/** Sixteen hex digits name one start of one pod. */
export function isRun(text: string): boolean {
  return runPattern.test(text);
}

/** A pod as the kubelet would ask for it, with a network of its own; no folder of the host, no privileges, no log. */
export function sandboxConfig(handler: string, run: string): SandboxConfig {
  const name = `proof-${handler}-${run}`;
  const uid = `${podNamespace}-${run}`;
  return {
    metadata: { name, uid, namespace: podNamespace, attempt: 0 },
    hostname: 'kata-sysext-proof',
    labels: {
      [runLabel]: run,
      // What crictl and the kubelet show of a pod.
      'io.kubernetes.pod.name': name,
      'io.kubernetes.pod.namespace': podNamespace,
      'io.kubernetes.pod.uid': uid,
    },
    annotations: {},
    linux: { security_context: { namespace_options: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } } },
  };
}

/** The image's own program, as a sandbox of runc has it. */
export function containerConfig(image: string): ContainerConfig {
  return { metadata: { name: 'proof', attempt: 0 }, image: { image, user_specified_image: image } };
}

/** The run that a sandbox was started by; undefined where it is no pod of this program. Labels alone do not tell: a pod's author chooses his. */
export function runOf({ metadata, labels }: PodSandbox): string | undefined {
  const run = Object.hasOwn(labels, runLabel) ? labels[runLabel]! : '';
  return isRun(run) && metadata?.namespace === podNamespace && metadata.uid === `${podNamespace}-${run}` ? run : undefined;
}
