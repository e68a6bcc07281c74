import type { HostView } from '../host/index.ts';
import { architectureOf, kvmState } from './architecture.ts';
import { bootOf, deploymentOf, isOstree, machineOf } from './boot.ts';
import { etcState } from './mounts.ts';
import { operatingSystem } from './os.ts';
import { selinuxState } from './selinux.ts';
import type { HostFacts } from './types.ts';

export { architectureOf, kvmState, ownArchitecture } from './architecture.ts';
export { bootOf, composefsFolder, deploymentOf } from './boot.ts';
export { bootPulls } from './bootTarget.ts';
export { type Extension, findExtensions, kindOfImage, type Merged, mergedExtensions, parseStatus } from './extensions.ts';
export { iommuState, type KvmGuest, kvmGuest, kvmSteps, reservedHugepages } from './hardware.ts';
export { isModuleThere, type ModuleState, moduleState } from './kernelModules.ts';
export { type Amount, amountOf, hasKubelet, type Kubelet, kubeletOf, kubeletSocket, type Signal, type Threshold } from './kubelet.ts';
export { isRequested, type Layering, layeringOf } from './layers.ts';
export { type MachineConfig, machineConfigOf, placeOf } from './machineConfig.ts';
export {
  etcState,
  isMountPoint,
  type Mount,
  machineMountOf,
  mountOf,
  mounts,
  mountsWithin,
  renameScopes,
  volatileMount,
  writableAgain,
} from './mounts.ts';
export { operatingSystem } from './os.ts';
export { isRoots } from './processes.ts';
export { selinuxState } from './selinux.ts';
export { systemdVersion } from './systemd.ts';
export type { Architecture, Fact, HostFacts } from './types.ts';

export async function readFacts(host: HostView): Promise<HostFacts> {
  const [os, architecture, ostree, machine, deployment, boot, etc, selinux, kvm] = await Promise.all([
    operatingSystem(host),
    architectureOf(host),
    isOstree(host),
    machineOf(host),
    deploymentOf(host),
    bootOf(host),
    etcState(host),
    selinuxState(host),
    kvmState(host),
  ]);
  return { os, architecture, ostree, machine, deployment, boot, etc, selinux, kvm };
}

/** Which machine, deployment and boot this is: what a journal entry belongs to. */
export async function deploymentNow(host: HostView): Promise<{ machine: string; deployment: string; boot: string }> {
  const [machine, deployment, boot] = await Promise.all([machineOf(host), deploymentOf(host), bootOf(host)]);
  return { machine, deployment, boot };
}
