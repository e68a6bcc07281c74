import type { ApiObject } from '../client.ts';

export interface Container {
  name: string;
  image: string;
  command?: string[];
  env?: { name: string; value?: string; valueFrom?: { fieldRef?: { fieldPath: string } } }[];
  volumeMounts?: { name: string; mountPath: string }[];
}

export interface Pod extends ApiObject {
  metadata: ApiObject['metadata'] & { namespace: string; labels?: Record<string, string>; deletionTimestamp?: string };
  spec: {
    nodeName?: string;
    serviceAccountName?: string;
    initContainers?: Container[];
    containers: Container[];
    volumes?: { name: string; emptyDir?: object; projected?: { sources: { serviceAccountToken?: { expirationSeconds?: number } }[] } }[];
  };
  status: { phase?: string; conditions?: { type: string; status: string }[]; initContainerStatuses?: ContainerStatus[] };
}

export interface ContainerStatus {
  name: string;
  restartCount: number;
  state: { waiting?: object; running?: object; terminated?: { exitCode: number; message?: string; startedAt: string; finishedAt: string } };
}

/** How a container ended. `message`: what it left as its termination message. */
export interface Ended {
  exitCode: number;
  message: string;
}

export interface Run extends Ended {
  restarts: number;
  from: Date;
  to: Date;
}

/** What a kubelet says of a pod: `runs` are those of init containers that ended; `ready` is undefined until all did. */
export function statusOf(pod: Pod, started: Date, runs: ReadonlyMap<string, Run>, ready?: boolean) {
  const { initContainers = [], containers } = pod.spec;
  const isInitialized = ready !== undefined;
  const condition = (type: string, isTrue: boolean) => ({
    type,
    status: isTrue ? 'True' : 'False',
    lastTransitionTime: new Date().toISOString(),
  });
  return {
    status: {
      phase: isInitialized ? 'Running' : 'Pending',
      startTime: started.toISOString(),
      conditions: [
        condition('Initialized', isInitialized),
        condition('ContainersReady', ready === true),
        condition('Ready', ready === true),
      ],
      initContainerStatuses: initContainers.map((each) => initStatus(each, runs.get(each.name))),
      containerStatuses: containers.map((each) => ({
        ...common(each),
        ready: ready === true,
        started: isInitialized,
        restartCount: 0,
        state: isInitialized ? { running: { startedAt: new Date().toISOString() } } : { waiting: { reason: 'PodInitializing' } },
      })),
    },
  };
}

function initStatus(container: Container, run: Run | undefined) {
  if (run === undefined) return { ...common(container), ready: false, restartCount: 0, state: { waiting: { reason: 'PodInitializing' } } };
  const { exitCode, message, restarts, from, to } = run;
  const terminated = {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    message,
    startedAt: from.toISOString(),
    finishedAt: to.toISOString(),
  };
  return { ...common(container), ready: exitCode === 0, restartCount: restarts, state: { terminated } };
}

function common({ name, image }: Container) {
  return { name, image, imageID: image };
}

export function pathOf({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
}

export function isReadyBy({ status }: { status?: { conditions?: { type: string; status: string }[] } }): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}
