import type { HostView } from '../host/index.ts';
import type { ModulePlan } from '../kernelModules/index.ts';
import { offeredBy } from '../store/index.ts';
import type { Step } from '../transaction/index.ts';
import { backendFor, type Placement, placementOrder, planGuard, planKernelModules, planPlacement } from './placement.ts';
import { ordered } from './stepOrder.ts';
import type { SwitchRequest } from './types.ts';
import { type PlannedWiring, planWiring, wiringSteps } from './wiring.ts';

/** A switch as its planners made it: nothing of it has been refused, and no running engine was asked. */
export interface PlannedSwitch extends PlannedWiring, Placement {
  steps: Step[];
  modules: ModulePlan;
  /** Handlers, aliases too, before and after. */
  before: string[];
  after: string[];
  /** Of all these, the handlers that point at another program's shim afterwards. */
  restored: string[];
}

/** From one generation (or none) to another (or none): the steps in their order. Reads only. */
export async function planSwitch(host: HostView, request: SwitchRequest): Promise<PlannedSwitch> {
  const { from, to } = request;
  const coming = to !== undefined;
  const backend = backendFor(request);
  const wanted = coming ? offeredBy(to, backend.mountPoint(to.payloadFolder)) : [];
  const wiring = await planWiring(host, request, wanted);
  const placement = await planPlacement(host, request, backend);
  const core = await placementOrder(host, coming, placement, wiringSteps(wiring));
  const guard = await planGuard(host, request, core);
  const modules = await planKernelModules(host, request);
  const last: Step[] = [...(request.further ?? []), ...(request.layer === undefined ? [] : [request.layer])];
  return {
    ...wiring,
    ...placement,
    steps: ordered({ coming, core, ...guard, ...modules, last }),
    modules,
    before: [...(from?.record.wiring?.handlers ?? []).map(({ name }) => name), ...(request.foreignWiring?.handlers ?? [])],
    after: wanted.map(({ name }) => name),
    restored: request.restoring?.handlers ?? [],
  };
}
