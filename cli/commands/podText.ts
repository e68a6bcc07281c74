import { bytes, findingLines } from '../output/index.ts';
import type { PodProof } from '../pod/index.ts';

/** '✓ kata-qemu: a pod ran, ready after 1.2 s; Linux 6.12.47; hypervisor qemu-system-x86_64 (process 4711)', then what was found. */
export function podText(proof: PodProof): string[] {
  const { handler, ok, milliseconds, container, findings } = proof;
  const seconds = `${((milliseconds ?? 0) / 1000).toFixed(1)} s`;
  const removed = container === 'removed' ? ['another program removed the pod before its container ran'] : [];
  const parts = [`a pod ran, ready after ${seconds}`, kernelText(proof), hypervisorText(proof), ...removed];
  return [...(ok ? [`✓ ${handler}: ${parts.join('; ')}`] : []), ...findingLines(findings)];
}

function kernelText({ kernel, kernelFile }: PodProof): string {
  if (kernel !== undefined) return `Linux ${kernel}`;
  return kernelFile === undefined ? 'its kernel is not known' : `the kernel of ${kernelFile}`;
}

function hypervisorText({ hypervisor }: PodProof): string {
  if (hypervisor === undefined) return 'no hypervisor was seen';
  const { name, pid, cgroup, inPodCgroup, memoryBytes } = hypervisor;
  const memory = memoryBytes === undefined ? '' : `, which counts ${bytes(memoryBytes)}`;
  const where = inPodCgroup === undefined ? '' : inPodCgroup ? ` in the pod’s cgroup${memory}` : ` outside the pod’s cgroup, in ${cgroup}`;
  return `hypervisor ${name} (process ${pid})${where}`;
}
