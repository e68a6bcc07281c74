import { dirname } from 'node:path';
import { type Backend, backendOf, plainBackend } from '../backends/index.ts';
import { type GuardRequest, guardSteps, unblessSteps } from '../bootGuard/units/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { type ModulePlan, planModules } from '../kernelModules/index.ts';
import { etcFolder, type GenerationManifest, imageNumber, offeredBy } from '../store/index.ts';
import type { Step } from '../transaction/index.ts';
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

/** How the payload comes and goes below the paths that the wiring names. */
interface Placement {
  backend: Backend;
  placed: Step[];
  /** Where another backend shows the payload until now. */
  earlier: Backend | undefined;
  left: Step[];
}

/** Whether a generation goes and comes with the OS image alone. */
export function belongsToImage(host: HostView, { number }: Pick<GenerationManifest, 'number'>): boolean {
  return number === imageNumber && !host.image;
}

function backendFor({ from, to }: Pick<SwitchRequest, 'from' | 'to'>): Backend {
  return backendOf(to?.backend ?? from?.manifest.backend ?? plainBackend);
}

async function planPlacement(host: HostView, { from, to, fresh = false }: SwitchRequest, backend: Backend): Promise<Placement> {
  const moved = to !== undefined && from !== undefined && from.manifest.backend !== to.backend;
  const earlier = moved ? backendOf(from.manifest.backend) : undefined;
  const placed = await backend.plan(host, to, fresh);
  return { backend, placed, earlier, left: (await earlier?.detach(host)) ?? [] };
}

/**
 * Wiring last on the way in and first on the way out: the engine never names files that are not there. Two backends that show the same paths
 * cannot both be there.
 */
async function placementOrder(
  host: HostView,
  coming: boolean,
  { backend, placed, earlier, left }: Placement,
  wire: Step[],
): Promise<Step[]> {
  if (coming) return earlier?.mountPoint() === backend.mountPoint() ? [...left, ...placed, ...wire] : [...placed, ...wire, ...left];
  // Another program may have removed this folder of kata-sysext; temporary files need it during the change.
  const lost = [...wire, ...placed].some(needsFolder) && (await host.lstat(etcFolder)) === undefined;
  if (!lost) return [...wire, ...placed];
  return [{ kind: 'folder', path: etcFolder, mode: 0o755 }, ...wire, ...placed, { kind: 'drop-folder', path: etcFolder }];
}

/** Whether a step, or its undo, puts a temporary file or link into kata-sysext's folder. */
function needsFolder(step: Step): boolean {
  return (step.kind === 'file' || step.kind === 'pointer') && step.temporary !== undefined && dirname(step.temporary) === etcFolder;
}

/** Steps for the units of the boot guard, and those that remove the blessed state. An image has its own guard, which a change on the host leaves as it is. */
async function planGuard(host: HostView, { to, guard, found }: SwitchRequest, others: Step[]): Promise<{ guard: Step[]; unbless: Step[] }> {
  const units: GuardRequest | undefined =
    to === undefined || guard === undefined || belongsToImage(host, to) ? undefined : { program: guard, engine: found.instance.unit };
  const steps = await guardSteps(host, units);
  return { guard: steps, unbless: others.length + steps.length > 0 ? await unblessSteps(host) : [] };
}

/** At a boot nothing is chosen again: what keeps the modules is as the last change of a running host left it. */
function planKernelModules(host: HostView, { from, to, loadModules = true }: SwitchRequest): Promise<ModulePlan> {
  const wanted = to === undefined || !loadModules || belongsToImage(host, to) ? undefined : to;
  const boots = host.booted && !host.live && from !== undefined;
  return planModules(host, wanted, !boots);
}
