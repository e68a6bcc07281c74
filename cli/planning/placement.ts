import { dirname } from 'node:path';
import { type Backend, backendOf, plainBackend } from '../backends/index.ts';
import { type GuardRequest, guardSteps, unblessSteps } from '../bootGuard/units/index.ts';
import type { HostView } from '../host/index.ts';
import { type ModulePlan, planModules } from '../kernelModules/index.ts';
import { etcFolder, type GenerationManifest, imageNumber } from '../store/index.ts';
import type { Step } from '../transaction/index.ts';
import type { SwitchRequest } from './types.ts';

/** How the payload comes and goes below the paths that the wiring names. */
export interface Placement {
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

export function backendFor({ from, to }: Pick<SwitchRequest, 'from' | 'to'>): Backend {
  return backendOf(to?.backend ?? from?.manifest.backend ?? plainBackend);
}

export async function planPlacement(host: HostView, { from, to, fresh = false }: SwitchRequest, backend: Backend): Promise<Placement> {
  const moved = to !== undefined && from !== undefined && from.manifest.backend !== to.backend;
  const earlier = moved ? backendOf(from.manifest.backend) : undefined;
  const placed = await backend.plan(host, to, fresh);
  return { backend, placed, earlier, left: (await earlier?.detach(host)) ?? [] };
}

/**
 * Wiring last on the way in and first on the way out: the engine never names files that are not there. Two backends that show the same paths
 * cannot both be there.
 */
export async function placementOrder(
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
export async function planGuard(
  host: HostView,
  { to, guard, found }: SwitchRequest,
  others: Step[],
): Promise<{ guard: Step[]; unbless: Step[] }> {
  const units: GuardRequest | undefined =
    to === undefined || guard === undefined || belongsToImage(host, to) ? undefined : { program: guard, engine: found.instance.unit };
  const steps = await guardSteps(host, units);
  return { guard: steps, unbless: others.length + steps.length > 0 ? await unblessSteps(host) : [] };
}

/** At a boot nothing is chosen again: what keeps the modules is as the last change of a running host left it. */
export function planKernelModules(host: HostView, { from, to, loadModules = true }: SwitchRequest): Promise<ModulePlan> {
  const wanted = to === undefined || !loadModules || belongsToImage(host, to) ? undefined : to;
  const boots = host.booted && !host.live && from !== undefined;
  return planModules(host, wanted, !boots);
}
