import type { InstallRequest } from '../../planning/choices/types.ts';
import { underLock } from '../../runner/session.ts';
import type { Answer, Context } from '../../runner/types.ts';
import { installLocked } from '../install.ts';
import { layerOf } from './layer.ts';

export interface LayeredRequest extends InstallRequest {
  /** Also stage the removal of the package. */
  yes: boolean;
}

/**
 * A layered package gives way to a generation of ours, under the names that its handlers have: one change, with one restart. The package
 * itself goes at a reboot, which is never ours.
 */
export function adoptLayered(context: Context, { yes, ...request }: LayeredRequest): Promise<Answer> {
  return underLock(context, 'adopt', request, async () =>
    installLocked(context, { ...request, layer: await layerOf(context.host, request, yes) }, 'adopt'),
  );
}
