import { dirname } from 'node:path';
import { type Backend, backendOf, plainBackend } from '../backends/index.ts';
import { type GuardRequest, guardSteps, unblessSteps } from '../bootGuard/units/index.ts';
import type { WantedHandler, Wiring } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { Digest, HostPath, HostView } from '../host/index.ts';
import { type ModulePlan, planModules } from '../kernelModules/index.ts';
import { asRecorded, etcFolder, type GenerationManifest, imageNumber, marksOf, offeredBy, wiringsOf } from '../store/index.ts';
import type { RestartStep, Step } from '../transaction/index.ts';
import { planOwnUnits } from './ownUnits.ts';
import type { Found, SwitchRequest } from './types.ts';
import { type PlannedWiring, planWiring, wiringSteps } from './wiring.ts';

/** A switch as its planners made it: nothing of it has been refused, and no running engine was asked. */
export interface PlannedSwitch extends Placement {
  /** One for each engine of the request. */
  wirings: PlannedWiring[];
  /** As the generation's record has it afterwards; undefined where none of kata-sysext remains. */
  wired: Wiring | undefined;
  /** Files of other programs that have text of kata-sysext, and its own units, as this change leaves them. */
  edited: Record<string, Digest>;
  /** Edits of others in its own units. */
  findings: Finding[];
  /** Of all engines. */
  restarts: RestartStep[];
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
  const wirings = await planWirings(host, request, wanted);
  const kept = keptWirings(request);
  const placement = await planPlacement(host, request, backend);
  const core = await placementOrder(host, coming, placement, wirings.flatMap(wiringSteps));
  const guard = await planGuard(host, request, core, kept);
  const modules = await planKernelModules(host, request);
  const last: Step[] = [...(request.further ?? []), ...(request.layer === undefined ? [] : [request.layer])];
  const steps = ordered({ coming, core, ...guard, ...modules, last });
  const { wired, edited } = recordsOf(request, wirings, kept);
  const units = await planOwnUnits(host, steps, coming);
  return {
    ...placement,
    wirings,
    wired,
    edited: { ...edited, ...units.edited },
    findings: units.findings,
    restarts: wirings.flatMap(({ restarts }) => restarts),
    steps,
    modules,
    before: [...(from?.record.wiring?.handlers ?? []).map(({ name }) => name), ...(request.foreignWiring?.handlers ?? [])],
    after: wanted.map(({ name }) => name),
    restored: request.restoring?.handlers ?? [],
  };
}

/** Engine after engine. */
async function planWirings(host: HostView, request: SwitchRequest, wanted: WantedHandler[]): Promise<PlannedWiring[]> {
  const planned: PlannedWiring[] = [];
  for (const found of request.engines)
    planned.push(await planWiring(host, requestFor(request, found), found, found.gone === undefined ? wanted : [], planned));
  const paths = planned.flatMap(({ files }) => [...new Set(files.map(({ path }) => path))]);
  const shared = paths.find((path, index) => paths.indexOf(path) !== index);
  if (shared !== undefined) throw sharedFile(shared, request.engines);
  return planned;
}

/** Another program's wiring is in files of the first engine, but for one whose files are known to be of others. */
function requestFor(request: SwitchRequest, found: Found): SwitchRequest {
  const { foreignWiring: _theirs, restoring: _back, displaced, ...others } = request;
  if (displaced === undefined) return found === request.engines[0] ? request : others;
  const files = displaced.files.filter(({ engine }) => engine === found.engine.name);
  return files.length === 0 ? others : { ...request, displaced: { ...displaced, files } };
}

/** Each engine's edits start from what the file is now, so that two of them in one file cannot be planned. */
function sharedFile(path: HostPath, engines: readonly Found[]): KataError {
  return new KataError('engine-unsupported', {
    subject: path,
    found: `${engines.map(({ engine }) => engine.title).join(' and ')} both read ${path}`,
    needed: 'engines with files of their own',
    next: `name one of them: ${engines.map(({ engine }) => `--engine ${engine.name}`).join(' or ')}`,
  });
}

/** Wirings of engines that are not in the request: they stay with the generation. */
function keptWirings({ from, to, engines }: SwitchRequest): Wiring[] {
  if (to === undefined) return [];
  return wiringsOf(from?.record.wiring).filter((wiring) => !engines.some(({ engine }) => engine.name === wiring.engine));
}

function recordsOf({ from }: SwitchRequest, wirings: PlannedWiring[], kept: Wiring[]): Pick<PlannedSwitch, 'wired' | 'edited'> {
  const all = [...wirings.flatMap(({ wiring }) => wiring.wiring ?? []), ...kept];
  const theirs = new Set(kept.flatMap((wiring) => marksOf(wiring).map(({ path }) => path)));
  const earlier = Object.entries(from?.record.edited ?? {}).filter(([path]) => theirs.has(path));
  return {
    wired: asRecorded(inOrder(from, all, ({ engine }) => engine)),
    edited: Object.assign(Object.fromEntries(earlier), ...wirings.map(({ edited }) => edited)) as Record<string, Digest>,
  };
}

/** In the order of the record; what is new comes last. */
function inOrder<T>(from: SwitchRequest['from'], all: readonly T[], nameOf: (each: T) => string): T[] {
  const names = wiringsOf(from?.record.wiring).map(({ engine }) => engine);
  const place = (each: T) => (names.includes(nameOf(each)) ? names.indexOf(nameOf(each)) : names.length);
  return [...all].sort((a, b) => place(a) - place(b));
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
  if (!coming) return [...unbless, ...core, ...last, ...keep, ...guard];
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
async function planGuard(
  host: HostView,
  { from, to, guard, engines }: SwitchRequest,
  others: Step[],
  kept: Wiring[],
): Promise<{ guard: Step[]; unbless: Step[] }> {
  const known = [...engines.map(({ engine, instance }) => ({ engine: engine.name, unit: instance.unit })), ...kept];
  const names = inOrder(from, known, ({ engine }) => engine).flatMap(({ unit }) => unit ?? []);
  const units: GuardRequest | undefined =
    to === undefined || guard === undefined || belongsToImage(host, to) ? undefined : { program: guard, engines: names };
  const steps = await guardSteps(host, units);
  return { guard: steps, unbless: others.length + steps.length > 0 ? await unblessSteps(host) : [] };
}

/** At a boot nothing is chosen again: what keeps the modules is as the last change of a running host left it. */
function planKernelModules(host: HostView, { from, to, loadModules = true }: SwitchRequest): Promise<ModulePlan> {
  const wanted = to === undefined || !loadModules || belongsToImage(host, to) ? undefined : to;
  const boots = host.booted && !host.live && from !== undefined;
  return planModules(host, wanted, !boots);
}
