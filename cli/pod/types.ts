import type { Engine, Instance } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import type { Host, HostPath } from '../host/index.ts';
import type { Emit } from '../output/events.ts';

/** What `verify --pod` and `--prove pod` were asked for. */
export interface PodRequest {
  /** As the user wrote them; empty: every installed handler. */
  handlers: string[];
  /** Until the engine calls the sandbox ready. */
  timeoutSeconds: number;
}

/** What the pods of one call have in common. */
export interface PodSession {
  host: Host;
  engine: Engine;
  instance: Instance;
  request: PodRequest;
  emit: Emit;
  signal: AbortSignal;
}

/** How a pod of one handler ran. */
export interface PodProof {
  handler: string;
  /** The engine made the sandbox, and no check failed afterwards. */
  ok: boolean;
  /** From the call until the sandbox was ready. */
  milliseconds?: number;
  image?: string;
  /** 'removed': another program took the pod away meanwhile, as the kubelet does with pods that it does not know. */
  container?: 'ran' | 'failed' | 'removed';
  /** Release of the guest's kernel, by `uname -r` in the container. */
  kernel?: string | undefined;
  /** File of that kernel, by the hypervisor's command line. */
  kernelFile?: HostPath | undefined;
  hypervisor?: Hypervisor;
  findings: Finding[];
}

export interface Hypervisor {
  name: string;
  pid: number;
  /** The cgroup that it is in, and whether that is one of the pod's. */
  cgroup?: string;
  inPodCgroup?: boolean | undefined;
  /** What that cgroup counts as memory. */
  memoryBytes?: number | undefined;
}
