import { butane } from './butane.ts';
import { containerfile } from './containerfile.ts';
import { hook } from './hook.ts';
import { ignition } from './ignition.ts';
import { machineConfigs, type PoolWish } from './machineConfig.ts';
import type { FirstBootRequest, Generated, OutputKind } from './types.ts';

export { targetNamed, targetNames } from './targets.ts';
export type { FirstBootRequest, Generated, OutputKind, Source, Target } from './types.ts';

const makers: Record<OutputKind, (request: FirstBootRequest, pool: PoolWish) => Generated[]> = {
  ignition: (request) => [{ name: 'kata-sysext.ign', text: ignition(hook(request), request.target.ignition) }],
  butane: (request, { role }) => [{ name: 'kata-sysext.bu', text: butane(hook(request), request.target, role) }],
  machineconfig: (request, pool) => machineConfigs(hook(request), request.target, pool),
  containerfile,
};

export const outputKinds = Object.keys(makers) as OutputKind[];

/** The files of a first boot. Pure, and the same bytes for the same request. Throws `generated-too-large`. */
export function generate(kind: OutputKind, request: FirstBootRequest, pool: PoolWish): Generated[] {
  return makers[kind](request, pool);
}
