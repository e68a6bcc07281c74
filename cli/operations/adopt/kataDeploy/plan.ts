import { posix } from 'node:path';
import { probeTimeouts } from '../../../engines/index.ts';
import { type Finding, KataError } from '../../../errors/index.ts';
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
import { type EngineFiles, engineTable, unitsFolder } from './places.ts';
import type { Deployed } from './types.ts';

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
  await refuseAlive(host, found, request);
  const wanted = wantedFrom(found, request);
  const layer: Layer = {
    mode: name,
    name,
    shim: '',
    foreignWiring: { marks: [], handlers: handlerNames(found) },
    handlers: handlerNames(found),
    displaced: { files: found.files, keys: found.keys },
    further: await furtherSteps(host, view.id, found),
    findings: [...found.findings, ...(await clusterNotes(host, found, true))],
    nextCommand: command(host, 'verify'),
  };
  return planInstall(view, { ...request, ...wanted, layer }, 'adopt');
}

/** Takes kata-deploy off the host and installs nothing. What kata-sysext has installed stays. */
export async function planRemoveKataDeploy(view: View, options: ChangeOptions): Promise<OperationPlan> {
  const { host, id, started } = view;
  refuse(await etcFindings(host), options.allow);
  const found = await deployedOn(host);
  const engines = await refuseAlive(host, found, options);
  const from = await activeGeneration(host);
  const to = from?.manifest;
  const displaced = { files: found.files, keys: found.keys };
  const request: SwitchRequest = {
    verb: 'adopt',
    id,
    engines,
    from,
    to,
    options,
    foreignWiring: { marks: [], handlers: handlerNames(found) },
    displaced: engines.length > 0 ? displaced : undefined,
    further: [...(engines.length > 0 ? [] : editSteps(id, found)), ...(await furtherSteps(host, id, found))],
    guard: to === undefined ? undefined : await guardOf(view, to),
    selinux: switchedOn(from?.record),
    loadModules: from?.record.loadModules,
  };
  const planned = await checkedSwitch(host, request);
  planned.plan.findings.push(...found.findings, ...unread(found, engines), ...(await clusterNotes(host, found, false)));
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
  // Where no engine can name the pods of its handlers, the programs that run do.
  const isAsked = states.length > 0 && states.every((state) => state?.reachable === true);
  if (handlerNames(found).length === 0 || !isAsked) await refuseRunningFrom(host, found);
  return engines;
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

/** Its handlers, by the release's words, and an alias for each name that is no handler's own. */
function wantedFrom({ handlers }: Deployed, request: InstallRequest): Pick<InstallRequest, 'handlers' | 'aliases'> {
  const bases = [...new Set(handlers.map(({ base }) => base))];
  const asked = request.aliases ?? [];
  const further = handlers.filter(({ name: each, base }) => each !== installedName(base) && !asked.some((alias) => alias.name === each));
  const chosen = request.handlers.length > 0 ? request.handlers : bases;
  const words = chosen.map(installedName);
  return {
    handlers: chosen,
    aliases: [
      ...asked,
      ...further.flatMap(({ name: each, base }) =>
        words.includes(installedName(base)) ? [{ name: each, handler: installedName(base) }] : [],
      ),
    ],
  };
}

/** Once the engine has read its files again: the snapshotter, then files, links and folders. */
async function furtherSteps(host: HostView, id: number, { units, texts, links, trees }: Deployed): Promise<Step[]> {
  const steps: Step[] = [];
  for (const unit of await runningOf(host, units)) steps.push({ kind: 'stop-unit', unit, deadlineMs: stopMs });
  for (const [index, { path, target }] of links.entries()) steps.push(linkStep(path, target, `${id}-l${index}`));
  for (const path of wantsOf(links)) steps.push({ kind: 'drop-folder', path });
  for (const [index, path] of texts.entries()) {
    const before = await host.digest(path);
    if (before !== undefined) steps.push(fileStep(path, before, 'absent', `${id}-t${index}`));
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

function fileStep(path: HostPath, before: FileStep['before'], after: FileStep['after'], mark: string, text?: string): FileStep {
  const temporary = `${posix.dirname(path)}/.kata-sysext-${mark}.tmp`;
  return { kind: 'file', path, before, after, text, foreign: true, ours: [], temporary };
}

function linkStep(path: HostPath, before: string, mark: string): PointerStep {
  return { kind: 'pointer', path, before, after: 'absent', temporary: `${posix.dirname(path)}/.kata-sysext-${mark}.tmp` };
}

/** Files of an engine that kata-sysext does not wire: edited, and not restarted. */
function editSteps(id: number, { files }: Deployed): FileStep[] {
  return files.map(({ path, text, after }, index) =>
    after === 'absent'
      ? fileStep(path, digestOf(text), 'absent', `${id}-e${index}`)
      : fileStep(path, digestOf(text), digestOf(after), `${id}-e${index}`, after),
  );
}

function rowOf(engine: string): EngineFiles | undefined {
  return engineTable.engines.find((row) => row.engine === engine);
}

function unread({ files, engines }: Deployed, known: readonly Found[]): Finding[] {
  if (files.length === 0 || known.length > 0) return [];
  const unit = engines.map(rowOf).find((row) => row?.wired === false)?.unit ?? engineTable.engines[0]!.unit!;
  return [
    {
      code: 'kata-deploy-leaves',
      level: 'warning',
      subject: unit,
      found: `kata-sysext does not restart ${unit}: it still has the handlers of kata-deploy, whose files are gone`,
      needed: 'a restart of that unit',
      next: `systemctl restart ${unit}`,
    },
  ];
}
