import { dirname, posix } from 'node:path';
import { type Backend, backendOf, plainBackend } from '../backends/index.ts';
import { type GuardRequest, guardSteps, unblessSteps } from '../bootGuard/units/index.ts';
import type { ForeignWiring, WantedHandler, WiringPlan } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { type Baseline, takeBaseline } from '../gate/index.ts';
import { type Digest, digestOf, type HostPath, type HostView } from '../host/index.ts';
import { type ModulePlan, planModules } from '../kernelModules/index.ts';
import { gateText } from '../output/gateText.ts';
import { refuse, restartFindings } from '../preflight/engine.ts';
import { belongsToImage } from '../preflight/imageRules.ts';
import { refuseInUse } from '../preflight/inUse.ts';
import { refuseOwned } from '../preflight/owned.ts';
import { refuseDenied } from '../preflight/policy.ts';
import { refuseTaken, removedHandlerNames } from '../preflight/removedHandlers.ts';
import { shimFindings } from '../preflight/shimFindings.ts';
import { etcFolder, type GenerationManifest, type GenerationRecord, offeredBy } from '../store/index.ts';
import {
  dependentsOf,
  describe,
  type FileStep,
  type LayerStep,
  type RestartStep,
  restartDeadlineMs,
  type Step,
} from '../transaction/index.ts';
import type { ChangeOptions } from './choices/types.ts';
import { puttingBack, type Restoring, recordedWith, takenOver } from './replaceWiring.ts';
import { ordered } from './stepOrder.ts';
import { insideLines } from './textDiff.ts';
import type { Found, Plan } from './types.ts';
import { shownWrites, switchWrites, type Write } from './writes.ts';

export interface Switch {
  plan: Plan;
  steps: Step[];
  /** What the plan shows as `writes`, with what a check of free room needs. */
  writes: Write[];
  wiring: WiringPlan;
  backend: Backend;
  baseline?: Baseline;
  /** Others' files with our text in them, as this change leaves them. */
  edited: Record<string, Digest>;
  /** Handlers of ours before and after. */
  touched: string[];
  /** Of these, the ones that lead to the shim of others afterwards. */
  restored: string[];
}

export interface SwitchRequest {
  verb: string;
  id: number;
  found: Found;
  from?: { manifest: GenerationManifest; record: GenerationRecord };
  to?: GenerationManifest;
  /** The store gets the payload by this change. */
  fresh?: boolean;
  /** What is written besides the steps and their journal. */
  writes?: Write[];
  options: ChangeOptions;
  /** The engine is down: whoever asks starts it afterwards, and there is nothing to compare with. */
  down?: boolean;
  /** The program that guards the next boots; without one the units of the guard go. */
  guard?: HostPath | undefined;
  /** Wiring of others that ours takes the place of. */
  foreignWiring?: ForeignWiring;
  /** Wiring of others that comes back in the place of ours. */
  restoring?: Restoring;
  /** Last, once all else is done. */
  layer?: LayerStep;
  /** False: the user sees to the kernel modules. */
  loadModules?: boolean | undefined;
  /** Besides the backend's and the wiring's. */
  further?: Step[];
}

/** From one generation (or none) to another (or none): the steps, what restarts, what depends on it. Reads only. */
export async function planSwitch(host: HostView, request: SwitchRequest): Promise<Switch> {
  const { found, from, to, options, fresh = false, down = false } = request;
  const backend = backendOf(to?.backend ?? from?.manifest.backend ?? plainBackend);
  const moved = to !== undefined && from !== undefined && from.manifest.backend !== to.backend;
  const earlier = moved ? backendOf(from.manifest.backend) : undefined;
  const wanted = to === undefined ? [] : offeredBy(to, backend.mountPoint(to.payloadFolder));
  const wiring = await planWiring(host, request, wanted);
  const files = fileSteps(request.id, wiring);
  const restarts = files.length > 0 && found.instance.process !== undefined && !down ? await restartStep(host, found) : [];
  const placed = await backend.plan(host, to, fresh);
  const left = (await earlier?.detach(host)) ?? [];
  const findings = refuse(
    [
      ...wiring.findings,
      ...(restarts.length > 0 ? await restartFindings(host, found) : []),
      ...(await backend.risks(host, placed)),
      ...((await earlier?.risks(host, left)) ?? []),
    ],
    options.allow,
  );
  const folders: Step[] = wiring.makeFolders.map(({ path, mode }) => ({ kind: 'folder', path, mode }));
  // On the way out our own folder may have been removed by somebody; temporary files still need it for a moment.
  const lost = to === undefined && [...files, ...placed].some(needsFolder) && (await host.lstat(etcFolder)) === undefined;
  const dropped: Step[] = wiring.dropFolders.map((path) => ({ kind: 'drop-folder', path }));
  const open: Step[] = lost ? [{ kind: 'folder', path: etcFolder, mode: 0o755 }] : [];
  const close: Step[] = lost ? [{ kind: 'drop-folder', path: etcFolder }] : [];
  const wire: Step[] = [...folders, ...files, ...dropped, ...restarts];
  // Wiring last on the way in and first on the way out: the engine never names files that are not there.
  // Two backends that show the same paths cannot both be there.
  const moving = earlier?.mountPoint() === backend.mountPoint() ? [...left, ...placed, ...wire] : [...placed, ...wire, ...left];
  const core = to === undefined ? [...open, ...wire, ...placed, ...close] : moving;
  const guard = await guardSteps(host, guardRequest(host, request));
  const modules = await modulePlan(host, request);
  const unbless = core.length + guard.length > 0 ? await unblessSteps(host) : [];
  const last: Step[] = [...(request.further ?? []), ...(request.layer === undefined ? [] : [request.layer])];
  const steps = ordered({ coming: to !== undefined, unbless, guard, core, ...modules, last });
  await refuseOwned(host, steps, to);
  // Without Kata nothing is left that an engine which does not run would have to prove.
  const provable = to !== undefined || found.instance.process !== undefined;
  const baseline = host.live && steps.length > 0 && provable && !down ? await takeBaseline(host, found.engine, found.instance) : undefined;
  const theirs = request.foreignWiring?.handlers ?? [];
  const before = [...(from?.record.wiring?.handlers ?? []).map((handler) => handler.name), ...theirs];
  // What an earlier backend takes away is the shim of every handler, whatever the new one brings; so is what is seen elsewhere below /usr.
  const base = from === undefined ? undefined : backendOf(from.manifest.backend).mountPoint(from.manifest.payloadFolder);
  const elsewhere = base?.startsWith('/usr/') === true && to !== undefined && base !== backend.mountPoint(to.payloadFolder);
  const going = left.length > 0 || elsewhere ? before : [...new Set([...removedHandlerNames(before, from?.manifest, to), ...theirs])];
  const names = wanted.map((handler) => handler.name);
  if (baseline !== undefined) refuseTaken(baseline.state.handlers, names, before, wiring);
  if (baseline !== undefined) refuseInUse(baseline.state, going);
  const shims = { found, from: from?.manifest, to, sandboxes: baseline?.state.sandboxes ?? [], restarts: restarts.length > 0 };
  findings.push(...refuse(await shimFindings(host, shims), options.allow));
  findings.push(...(await refuseDenied(host, request, backend, baseline)));
  const touched = [...new Set([...names, ...before])];
  const edited = editedAfter(wiring, files, from?.record.edited);
  const strange = await foreignEdits(host, from?.record.edited, findings);
  const others = request.writes ?? [];
  const writes = [...others, ...(steps.length === 0 ? [] : await switchWrites(host, steps, to !== undefined, others))];
  return {
    plan: await show(host, request, { steps, writes, wiring, findings: [...findings, ...strange, ...modules.findings], files, modules }),
    steps,
    writes,
    wiring,
    backend,
    edited,
    touched,
    restored: request.restoring?.handlers ?? [],
    ...(baseline === undefined ? {} : { baseline }),
  };
}

/** Reads what the files are now: wiring of others counts as ours where it goes, and comes where ours goes. */
async function planWiring(host: HostView, request: SwitchRequest, wanted: WantedHandler[]): Promise<WiringPlan> {
  const { foreignWiring, restoring, from, found } = request;
  const recorded = from?.record.wiring;
  const { engine, instance } = found;
  const plan = await engine.plan(
    host,
    instance,
    wanted,
    foreignWiring === undefined ? recorded : recordedWith(recorded, foreignWiring, instance),
  );
  if (foreignWiring !== undefined) return takenOver(plan, foreignWiring);
  return restoring === undefined ? plan : puttingBack(plan, restoring);
}

/** An image has its own guard, which is no part of a change on the host. */
function guardRequest(host: HostView, { to, guard, found }: SwitchRequest): GuardRequest | undefined {
  if (to === undefined || guard === undefined || belongsToImage(host, to)) return undefined;
  return { program: guard, engine: found.instance.unit };
}

/** At a boot nothing is chosen again: what keeps the modules is as the last change of a running host left it. */
async function modulePlan(host: HostView, { from, to, loadModules = true }: SwitchRequest): Promise<ModulePlan> {
  const wanted = to === undefined || !loadModules || belongsToImage(host, to) ? undefined : to;
  const boots = host.booted && !host.live && from !== undefined;
  return planModules(host, wanted, !boots);
}

/** Whether a step, or its undo, puts a temporary file or link into our own folder. */
function needsFolder(step: Step): boolean {
  return (step.kind === 'file' || step.kind === 'pointer') && step.temporary !== undefined && dirname(step.temporary) === etcFolder;
}

/** Asks the engine's own binary about copies of the planned files. `scratch` writes a copy into a folder of ours. */
export async function askEngine(
  host: HostView,
  found: Found,
  planned: Switch,
  scratch: (name: string, text: string) => Promise<string>,
): Promise<void> {
  if (!host.booted || planned.wiring.changes.length === 0) return;
  const { dump } = found.engine;
  if (dump === undefined) return;
  const { others, warnings } = await dump.validate(host, found.instance, planned.wiring, scratch);
  if (others.length === 0 && warnings.length === 0) return;
  throw new KataError('engine-rejects', {
    subject: found.instance.configPath,
    found: `the change would alter more than our handlers: ${[...others, ...warnings].slice(0, 5).join('; ')}`,
    needed: `only ${planned.touched.join(', ')} to differ in the effective configuration`,
    next: `look at: ${dump.showCommand(found.instance)}`,
    details: { keys: others, warnings },
  });
}

function editedAfter(wiring: WiringPlan, files: FileStep[], earlier: Record<string, Digest> = {}): Record<string, Digest> {
  const ranges = new Set((wiring.wiring?.marks ?? []).filter((mark) => mark.kind === 'range').map((mark) => mark.path));
  const now = files.flatMap((step): [string, Digest][] => (step.after === 'absent' ? [] : [[step.path, step.after]]));
  return Object.fromEntries([...Object.entries(earlier), ...now].filter(([path]) => ranges.has(path)));
}

/** What others did to the files that we edited stays, and is told. */
async function foreignEdits(host: HostView, edited: Record<string, Digest> = {}, known: Finding[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [path, digest] of Object.entries(edited)) {
    if (known.some((finding) => finding.subject === path) || (await host.digest(path)) === digest) continue;
    const text = `${path} was edited by somebody else since we wrote to it; that edit stays`;
    found.push({ code: 'foreign-edit', level: 'info', subject: path, found: text, needed: 'nothing', next: 'nothing needs to be done' });
  }
  return found;
}

function fileSteps(id: number, wiring: WiringPlan): FileStep[] {
  return wiring.changes.map((change, index) => ({
    kind: 'file',
    path: change.path,
    before: change.before,
    after: change.after === 'absent' ? 'absent' : digestOf(change.after.text),
    ...(change.after === 'absent' ? {} : { text: change.after.text }),
    ...(change.mode === undefined ? {} : { mode: change.mode }),
    foreign: change.foreign,
    ours: change.ours,
    temporary: posix.join(change.tmpDir, `.kata-sysext-${id}-${index}.tmp`),
  }));
}

async function restartStep(host: HostView, { instance }: Found): Promise<RestartStep[]> {
  const systemd = await host.systemd();
  if (systemd === undefined || instance.unit === undefined) {
    throw new KataError('engine-unsupported', {
      subject: instance.configPath,
      found: 'the engine runs, but not as a systemd unit that answers',
      needed: 'a unit that can be restarted and watched',
      next: 'run the engine as a systemd service',
    });
  }
  return [
    {
      kind: 'restart',
      unit: instance.unit,
      dependents: await dependentsOf(host, instance.unit),
      deadlineMs: restartDeadlineMs(await systemd.unit(instance.unit)),
    },
  ];
}

interface Shown {
  steps: Step[];
  writes: Write[];
  wiring: WiringPlan;
  findings: Finding[];
  files: FileStep[];
  modules: ModulePlan;
}

async function show(host: HostView, request: SwitchRequest, { steps, writes, wiring, findings, files, modules }: Shown): Promise<Plan> {
  const { verb, from, to } = request;
  const restarts = steps.filter((step) => step.kind === 'restart');
  return {
    verb,
    ...(from === undefined ? {} : { from: from.manifest.number }),
    ...(to === undefined ? {} : { to: to.number }),
    steps: steps.map((step) => ({
      kind: step.kind,
      text: describe(step),
      ...(step.kind === 'file' ? { diff: modules.diff.get(step) ?? diffOf(wiring, files, step) } : {}),
    })),
    restarts: restarts.map((step) => step.unit),
    dependents: restarts.flatMap((step) => step.dependents),
    gate: gateText({ live: host.live, restarts: restarts.length > 0, coming: to !== undefined, pods: request.options.prove !== undefined }),
    ...(await shownWrites(host, writes)),
    findings,
  };
}

function diffOf(wiring: WiringPlan, files: FileStep[], step: FileStep): string[] {
  const change = wiring.changes[files.indexOf(step)];
  return change === undefined ? [] : insideLines(change);
}
