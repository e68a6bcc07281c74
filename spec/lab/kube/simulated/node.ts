import type { Client } from '../client.ts';
import { KUBERNETES } from '../programs.ts';

/** Since when a simulated node says that it is Ready: long before any spec. */
const LONG_AGO = new Date(Date.now() - 86_400_000).toISOString();
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';

/** Registers a node as a kubelet does, with its lease. */
export async function register(client: Client, name: string): Promise<void> {
  const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', 'kubernetes.io/hostname': name };
  const room = { pods: '110', cpu: '4', memory: '8Gi' };
  const status = {
    capacity: room,
    allocatable: room,
    conditions: [readyCondition(true, LONG_AGO)],
    nodeInfo: {
      ...{ architecture: 'amd64', operatingSystem: 'linux', osImage: 'simulated', kernelVersion: '6.0', bootID: name, machineID: name },
      ...{ systemUUID: name, containerRuntimeVersion: 'containerd://2.1.9', kubeletVersion: `v${KUBERNETES}`, kubeProxyVersion: '' },
    },
  };
  await client.send('POST', '/api/v1/nodes', {
    kubelet: name,
    body: { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, status },
  });
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec: leaseSpec(name) };
  await client.send('POST', leases, { kubelet: name, body: lease });
}

export async function renewLease(client: Client, name: string): Promise<void> {
  await client.send('PATCH', `${leases}/${name}`, { kubelet: name, type: 'merge', body: { spec: leaseSpec(name) } });
}

/** Says whether it is Ready, as of now. */
export async function sayReady(client: Client, name: string, isReady: boolean): Promise<void> {
  const status = { conditions: [readyCondition(isReady, new Date().toISOString())] };
  await client.send('PATCH', `/api/v1/nodes/${name}/status`, { kubelet: name, type: 'strategic', body: { status } });
}

/** Says which handlers its engine has. */
export async function sayHandlers(client: Client, name: string, handlers: readonly string[]): Promise<void> {
  const status = { runtimeHandlers: ['', 'runc', ...handlers].map((handler) => ({ name: handler })) };
  await client.send('PATCH', `/api/v1/nodes/${name}/status`, { kubelet: name, type: 'merge', body: { status } });
}

function readyCondition(isReady: boolean, since: string) {
  return {
    type: 'Ready',
    status: isReady ? 'True' : 'False',
    reason: isReady ? 'KubeletReady' : 'KubeletNotReady',
    message: isReady ? 'kubelet is posting ready status' : 'container runtime network not ready',
    lastHeartbeatTime: new Date().toISOString(),
    lastTransitionTime: since,
  };
}

function leaseSpec(name: string) {
  return { holderIdentity: name, leaseDurationSeconds: 40, renewTime: new Date().toISOString().replace('Z', '000Z') };
}
