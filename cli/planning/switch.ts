import type { HostPath, HostView } from '../host/index.ts';
import type { ModulePlan } from '../kernelModules/index.ts';
import { offeredBy } from '../store/index.ts';
import type { Step } from '../transaction/index.ts';
import { backendFor, type Placement, placementOrder, planGuard, planKernelModules, planPlacement } from './placement.ts';
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

/** The parts of a change, each in its own order. */
interface Parts {
  /** A generation becomes active; else the host is left without one. */
  coming: boolean;
  unbless: Step[];
  guard: Step[];
  /** Backend, wiring, restart. */
  core: Step[];
  /** Kernel modules: loaded before anything needs them, and kept for the next boots. */
  load: Step[];
  keep: Step[];
  last: Step[];
}

/** The boot guard comes first and goes last, so that the next boot finishes or undoes a change that was interrupted in between. */
export function ordered({ coming, unbless, guard, core, load, keep, last }: Parts): Step[] {
  if (!coming) return [...unbless, ...core, ...keep, ...guard];
  return withoutNeeded(onceMade([...unbless, ...guard, ...load, ...core, ...keep, ...last]));
}

/** Several parts may need the same folder. */
function onceMade(steps: Step[]): Step[] {
  const made = new Set<HostPath>();
  return steps.filter((step) => {
    if (step.kind !== 'folder') return true;
    const first = !made.has(step.path);
    made.add(step.path);
    return first;
  });
}

/** What one backend leaves another one may need: no folder goes that a later step puts something into. */
function withoutNeeded(steps: Step[]): Step[] {
  const fills = (step: Step, folder: HostPath) =>
    (step.kind === 'file' || step.kind === 'pointer') && step.after !== 'absent' && step.path.startsWith(`${folder}/`);
  return steps.filter((step, index) => step.kind !== 'drop-folder' || !steps.slice(index + 1).some((later) => fills(later, step.path)));
}
