import type { InstallRequest } from '../../planning/choices/types.ts';
import type { OperationPlan, View } from '../../runner/types.ts';
import { planInstall } from '../install.ts';
import { layerOf } from './layer.ts';

export interface LayeredRequest extends InstallRequest {
  /** Also stage the removal of the package. */
  yes: boolean;
}

/**
 * A layered package gives way to a generation of ours, under the names that its handlers have: one change, with one restart. The package
 * itself goes at a reboot, which is never ours.
 */
export async function planAdoptLayered(view: View, { yes, ...request }: LayeredRequest): Promise<OperationPlan> {
  return planInstall(view, { ...request, layer: await layerOf(view.host, request, yes) }, 'adopt');
}
