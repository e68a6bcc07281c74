import { hook, rendered } from './forms/index.ts';
import { bakedContainerfile, butane, containerfile, ignition, machineConfigs, type PoolRequest } from './outputs/index.ts';
import { titleOf } from './owner.ts';
import type { FirstBoot, FirstBootRequest, Generated, OutputKind } from './types.ts';

export { firstBootScript, firstBootUnit } from './forms/index.ts';
export { containerfileNames, type PoolRequest } from './outputs/index.ts';
export { type Bringer, bringerIn } from './owner.ts';
export { targetNamed } from './targets.ts';
export type {
  Against,
  Beside,
  ComponentSource,
  Edit,
  FirstBootRequest,
  Generated,
  Merging,
  OutputKind,
  RenderedRequest,
  Source,
  Target,
  TargetTree,
} from './types.ts';
export { filesOf, isCompressed } from './types.ts';

const makers: Record<OutputKind, (request: FirstBootRequest, pool: PoolRequest) => Generated[]> = {
  ignition: (request) => [{ name: 'kata-sysext.ign', text: ignition(firstBoot(request), request.target.ignition) }],
  butane: (request, { role }) => [
    { name: 'kata-sysext.bu', text: butane(firstBoot(request, request.target.openshift ? role : undefined), request.target, role) },
  ],
  machineconfig: (request, pool) => machineConfigs(firstBoot(request, pool.role), request.target, pool),
  containerfile: (request) => {
    if (request.form === 'rendered') throw new Error('an image has the program inside');
    return request.form === 'baked' ? bakedContainerfile(request) : containerfile(request);
  },
};

export const outputKinds = Object.keys(makers) as OutputKind[];

/** The files of a first boot. Pure, and the same bytes for the same request. Throws `generated-too-large`. */
export function generate(kind: OutputKind, request: FirstBootRequest, pool: PoolRequest): Generated[] {
  return makers[kind](request, pool);
}

/** @param role of the MachineConfig that brings it, where one does */
function firstBoot(request: FirstBootRequest, role?: string): FirstBoot {
  if (request.form === 'baked') throw new Error('only an image is baked');
  const title = titleOf(request, role);
  return request.form === 'hook' ? hook(request, title) : rendered(request, title);
}
