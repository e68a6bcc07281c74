import type { InstallRequest } from '../../planning/choices/types.ts';
import type { OperationPlan, View } from '../../runner/types.ts';
import { planInstall } from '../install.ts';
import { layerOf } from './layer.ts';

export interface LayeredRequest extends InstallRequest {
  /** Also stage the removal of the package. */
  yes: boolean;
}

/**
 * Replaces a layered package by a new generation whose handlers keep the package's names: one change, with one restart of the engine. The
 * package itself goes at the next reboot. kata-sysext never reboots the host.
 */
export async function planAdoptLayered(view: View, { yes, ...request }: LayeredRequest): Promise<OperationPlan> {
  return planInstall(view, { ...request, layer: await layerOf(view.host, request, yes) }, 'adopt');
}
