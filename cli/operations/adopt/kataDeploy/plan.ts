import { posix } from 'node:path';
import { isHandlerName } from '../../../components/index.ts';
import { checkEditable, engineNamed, probeTimeouts } from '../../../engines/index.ts';
import { type Finding, KataError } from '../../../errors/index.ts';
import { renameScopes } from '../../../facts/index.ts';
import { digestOf, type HostPath, type HostView } from '../../../host/index.ts';
import { installedName } from '../../../layout/index.ts';
import { command } from '../../../output/index.ts';
import type { ChangeOptions, InstallRequest, Layer } from '../../../planning/choices/types.ts';
import { guardOf } from '../../../planning/programCopy.ts';
import { nothingAfterwards, switchRecords } from '../../../planning/records.ts';
import { switchedOn } from '../../../planning/selinuxSwitch.ts';
import type { Found, SwitchRequest } from '../../../planning/types.ts';
import { refuse } from '../../../preflight/engine.ts';
import { findEngines } from '../../../preflight/engines.ts';
import { etcFindings } from '../../../preflight/refusals.ts';
import { checkedSwitch } from '../../../preflight/switch.ts';
import type { OperationPlan, View } from '../../../runner/types.ts';
import { activeGeneration } from '../../../store/index.ts';
import type { FileStep, PointerStep, Step } from '../../../transaction/index.ts';
import { planInstall } from '../../install.ts';
import { clusterNotes } from './cluster.ts';
import { findKataDeploy } from './find.ts';
import { refuseLiving, refuseMounted, refuseRunningFrom } from './living.ts';
import { refuseNeeded } from './needed.ts';
import { type EngineFiles, engineTable, unitsFolder } from './places.ts';
import { lostSettings } from './settings.ts';
import type { DeployedHandler } from './texts.ts';
import type { Deployed, DeployedFile } from './types.ts';

const name = 'kata-deploy';
const stopMs = 90_000;

/**
 * Replaces kata-deploy: its handlers keep their names, its wiring goes and kata-sysext's comes in one change, with one restart of
 * the engine, and what it has on the host goes with it. Throws `nothing-to-adopt`, `kata-deploy-runs`, `adopt-unproven`, `usage` and the
 * codes of an installation.
 */
export async function planAdoptKataDeploy(view: View, request: InstallRequest): Promise<OperationPlan> {
  const { host } = view;
  const found = await deployedOn(host);
  const lost = refuse(lostSettings(host, found, request.allow), request.allow);
  const wanted = wantedFrom(host, found, request);
  const { displaced, edited } = parted(found, await refuseAlive(host, found, request));
  const layer: Layer = {
    mode: name,
    name,
    shim: '',
    foreignWiring: { marks: [], handlers: handlerNames(found) },
    handlers: handlerNames(found),
    displaced: { files: displaced, keys: found.keys },
    further: [...(await editSteps(host, view.id, edited)), ...(await furtherSteps(host, view.id, found))],
    findings: [...lost, ...found.findings, ...(await unread(host, edited)), ...(await clusterNotes(host, found, true))],
    nextCommand: command(host, 'verify'),
  };
  return planInstall(view, { ...request, ...wanted, layer }, 'adopt');
}

/** Takes kata-deploy off the host and installs nothing. What kata-sysext has installed stays. */
export async function planRemoveKataDeploy(view: View, options: ChangeOptions): Promise<OperationPlan> {
  const { host, id, started } = view;
  refuse(await etcFindings(host), options.allow);
  const found = await deployedOn(host);
  const lost = refuse(lostSettings(host, found, options.allow), options.allow);
  const engines = await refuseAlive(host, found, options);
  const { displaced, edited } = parted(found, engines);
  const from = await activeGeneration(host);
  const to = from?.manifest;
  const request: SwitchRequest = {
    verb: 'adopt',
    id,
    engines,
    from,
    to,
    options,
    foreignWiring: { marks: [], handlers: handlerNames(found) },
    displaced: engines.length > 0 ? { files: displaced, keys: found.keys } : undefined,
    further: [...(await editSteps(host, id, edited)), ...(await furtherSteps(host, id, found))],
    guard: to === undefined ? undefined : await guardOf(view, to),
    selinux: switchedOn(from?.record),
    loadModules: from?.record.loadModules,
  };
  const planned = await checkedSwitch(host, request);
  planned.plan.findings.push(...lost, ...found.findings, ...(await unread(host, edited)), ...(await clusterNotes(host, found, false)));
  const records =
    from === undefined || to === undefined ? [] : switchRecords({ from, to: to.number, allow: options.allow }, planned, host.live, started);
  return {
    verb: 'adopt',
    plan: planned.plan,
    idle: false,
    from: to?.number,
    to,
    engines,
    planned,
    rehearsed: true,
    afterwards: { ...nothingAfterwards, records },
  };
}

async function deployedOn(host: HostView): Promise<Deployed> {
  const found = await findKataDeploy(host);
  if (found !== undefined) return found;
  throw new KataError('nothing-to-adopt', {
    subject: name,
    found: 'no file, unit or folder of kata-deploy is on this host',
    needed: 'what kata-deploy installs, or leaves',
    next: command(host, 'check'),
  });
}

function handlerNames({ handlers }: Deployed): string[] {
  return handlers.map((handler) => handler.name).sort();
}

/** Throws what runs against it. Gives the engines whose files it edited, as they are. */
async function refuseAlive(host: HostView, found: Deployed, options: ChangeOptions): Promise<Found[]> {
  const from = await activeGeneration(host);
  const engines = await enginesOf(host, found, options, from?.record.wiring);
  const states = await Promise.all(
    engines.map(({ engine, instance }) => (host.live ? engine.daemon?.probe(host, instance, probeTimeouts.onceMs) : undefined)),
  );
  await refuseLiving(
    host,
    states.flatMap((state) => state?.sandboxes ?? []),
  );
  await refuseMounted(host, found);
  await refuseNeeded(host, found, engines);
  for (const { path, after } of found.files) if (after !== 'absent') await checkEditable(host, path);
  // Pods of its handlers are named later, where an engine knows them. What else runs from the release is of no pod, or of another engine.
  const names = handlerNames(found);
  const isNamed = states.some((state) => state?.sandboxes.some(({ handler, ready }) => ready && names.includes(handler)));
  if (!isNamed) await refuseRunningFrom(host, found);
  return engines;
}

/** Files of the engines of the change, which restart with it, and those of other engines. */
function parted({ files }: Deployed, engines: readonly Found[]): { displaced: DeployedFile[]; edited: DeployedFile[] } {
  const isOurs = ({ engine: name }: DeployedFile) => engines.some(({ engine }) => engine.name === name);
  return { displaced: files.filter(isOurs), edited: files.filter((file) => !isOurs(file)) };
}

/** Without an edit no engine needs to be known. Of one that kata-sysext does not wire the file is edited, and nothing is restarted. */
async function enginesOf(
  host: HostView,
  { engines }: Deployed,
  options: ChangeOptions,
  recorded: Parameters<typeof findEngines>[2],
): Promise<Found[]> {
  const known = engines.filter((engine) => rowOf(engine)?.wired !== false);
  return known.length === 0 && recorded === undefined ? [] : findEngines(host, options.engines, recorded);
}

/**
 * Its handlers, by the release's words, and an alias for each name that is no handler's own. Throws `handler-not-installed` for a name that
 * would become one of another handler than the one it was made from: pods of a confidential one would start in a plain machine.
 */
function wantedFrom(
  host: HostView,
  { handlers }: Deployed,
  { handlers: asked, aliases = [] }: InstallRequest,
): Pick<InstallRequest, 'handlers' | 'aliases'> {
  const chosen = asked.length > 0 ? asked : [...new Set(handlers.map(({ base }) => base))];
  const words = chosen.map(installedName);
  const unnamed = handlers.filter((handler) => !aliases.some((alias) => alias.name === handler.name));
  // Of one of Kata's own names the planner of an installation says the same.
  const lost = unnamed.find((handler) => !words.includes(installedName(handler.base)) && !isHandlerName(handler.name));
  if (lost !== undefined) throw otherHandler(host, lost, words);
  const further = unnamed.filter((handler) => handler.name !== installedName(handler.base) && words.includes(installedName(handler.base)));
  return {
    handlers: chosen,
    aliases: [...aliases, ...further.map(({ name: each, base }) => ({ name: each, handler: installedName(base) }))],
  };
}

function otherHandler(host: HostView, { name: lost, base }: DeployedHandler, chosen: readonly string[]): KataError {
  const own = installedName(base);
  const more = [...chosen, own].map((each) => `--handler ${each}`).join(' ');
  return new KataError('handler-not-installed', {
    subject: lost,
    found: `RuntimeClasses may point at ${lost}${lost === own ? '' : `, which kata-deploy made from ${own}`}, and the handlers would be ${chosen.join(', ')}`,
    needed: `${own} among them, or the handler that ${lost} shall mean from now on`,
    next: `${command(host, `adopt ${name} BUNDLE... ${more}`)}; or name another one: --alias ${lost}=${chosen[0] ?? own}`,
  });
}

/** Once the engine has read its files again: the snapshotter, then files, links and folders. */
async function furtherSteps(host: HostView, id: number, { units, texts, links, trees }: Deployed): Promise<Step[]> {
  const steps: Step[] = [];
  for (const unit of await runningOf(host, units)) steps.push({ kind: 'stop-unit', unit, deadlineMs: stopMs });
  for (const [index, { path, target }] of links.entries()) steps.push(linkStep(path, target, `${id}-l${index}`));
  for (const path of wantsOf(links)) steps.push({ kind: 'drop-folder', path });
  for (const [index, path] of texts.entries()) {
    const before = await host.digest(path);
    if (before !== undefined) steps.push(removalStep(path, before, `${id}-t${index}`));
  }
  if (host.live && units[0] !== undefined) steps.push({ kind: 'reread', unit: units[0] });
  for (const [index, path] of trees.entries())
    steps.push({ kind: 'set-aside', path, aside: `${posix.dirname(path)}/.kata-sysext-${id}-a${index}.tmp` });
  return steps;
}

/** Folders of what units want, which systemd makes and removes with the links in them. */
function wantsOf(links: Deployed['links']): HostPath[] {
  return [...new Set(links.map(({ path }) => posix.dirname(path)).filter((path) => posix.dirname(path) === unitsFolder))];
}

/** An undo starts what was stopped, so that a unit which does not run is not stopped. */
async function runningOf(host: HostView, units: readonly string[]): Promise<string[]> {
  const systemd = host.live ? await host.systemd() : undefined;
  const running: string[] = [];
  if (systemd === undefined) return running;
  for (const unit of units) if (['active', 'activating', 'reloading'].includes((await systemd.unit(unit)).activeState)) running.push(unit);
  return running;
}

function removalStep(path: HostPath, before: FileStep['before'], mark: string): FileStep {
  const temporary = `${posix.dirname(path)}/.kata-sysext-${mark}.tmp`;
  return { kind: 'file', path, before, after: 'absent', foreign: true, ours: [], temporary };
}

function linkStep(path: HostPath, before: string, mark: string): PointerStep {
  return { kind: 'pointer', path, before, after: 'absent', temporary: `${posix.dirname(path)}/.kata-sysext-${mark}.tmp` };
}

/** Files of engines that the change does not restart. */
async function editSteps(host: HostView, id: number, files: readonly DeployedFile[]): Promise<FileStep[]> {
  const steps: FileStep[] = [];
  for (const [index, { path, text, after }] of files.entries()) {
    const step = removalStep(path, digestOf(text), `${id}-e${index}`);
    const temporary = `${await unreadFolder(host, path)}/${posix.basename(step.temporary)}`;
    steps.push(after === 'absent' ? { ...step, temporary } : { ...step, temporary, after: digestOf(after), text: after });
  }
  return steps;
}

/** Above the file's own folder, of which CRI-O reads every file, as long as both are on one mount. */
async function unreadFolder(host: HostView, path: HostPath): Promise<HostPath> {
  const own = posix.dirname(path);
  const above = posix.dirname(own);
  const [here, there] = await renameScopes(host, [own, above]);
  return here === there ? above : own;
}

function rowOf(engine: string): EngineFiles | undefined {
  return engineTable.engines.find((row) => row.engine === engine);
}

/** An engine that does not run has nothing to read again. */
async function unread(host: HostView, edited: readonly DeployedFile[]): Promise<Finding[]> {
  const systemd = host.live ? await host.systemd() : undefined;
  if (systemd === undefined) return [];
  const units = [...new Set(edited.flatMap(({ engine }) => rowOf(engine)?.unit ?? engineNamed(engine)?.units ?? []))];
  const findings: Finding[] = [];
  for (const unit of units) {
    if ((await systemd.unit(unit)).activeState !== 'active') continue;
    findings.push({
      code: 'kata-deploy-leaves',
      level: 'warning',
      subject: unit,
      found: `kata-sysext does not restart ${unit}: it still has the handlers of kata-deploy, whose files are gone`,
      needed: 'a restart of that unit',
      next: `systemctl restart ${unit}`,
    });
  }
  return findings;
}
