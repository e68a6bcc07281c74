import type { HostView } from '../host/index.ts';
import { type Fact, known, unknown } from './types.ts';

const folder = '/sys/kernel/iommu_groups';

/** Whether the kernel has IOMMU groups: without them no device can be given to a guest. */
export async function iommuState(host: HostView): Promise<Fact<boolean>> {
  if (!host.live) return unknown('an offline tree has no devices');
  return known((await host.readdir(folder)).length > 0, folder);
}
