import { type Backend, backendOf } from '../backends/index.ts';
import { valueAt } from '../documents/toml/index.ts';
import { handlerIsDefault, type WiringPlan, withLabels } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { type Baseline, takeBaseline } from '../gate/index.ts';
import type { Digest, HostView } from '../host/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { shownPlan } from '../planning/shownPlan.ts';
import { type PlannedSwitch, planSwitch } from '../planning/switch.ts';
import type { Found, Plan, SwitchRequest, Write } from '../planning/types.ts';
import type { PlannedWiring } from '../planning/wiring.ts';
import { switchWrites } from '../planning/writes.ts';
import { policyFindings } from '../selinux/index.ts';
import type { Generation, GenerationManifest } from '../store/index.ts';
import { maskedFindings, refuse, restartFindings } from './engine.ts';
import { goneFindings } from './engines.ts';
import { refuseInUse, strandedFindings } from './inUse.ts';
import { refuseOwned } from './owned.ts';
import { shimFindings } from './shimFindings.ts';

/** What an engine is wired with, and what it did before the change; undefined where it is not asked. */
export interface CheckedWiring extends PlannedWiring {
  baseline: Baseline | undefined;
}

/** A planned switch that no check prevents. */
export interface Switch extends PlannedSwitch {
  plan: Plan;
  /** What the plan shows as `writes`, with what a check of free room needs. */
  writes: Write[];
  wirings: CheckedWiring[];
  /** Handlers of kata-sysext before and after. */
  touched: string[];
}

/** Plans a switch, asks the host and the live engines what they have against it, and throws the first blocker that is not allowed. Reads only. */
export async function checkedSwitch(host: HostView, request: SwitchRequest): Promise<Switch> {
  const planned = await planSwitch(host, request);
  const { steps, before, after, modules } = planned;
  const findings = await planFindings(host, request, planned);
  await refuseOwned(host, steps, request.to);
  const wirings: CheckedWiring[] = [];
  for (const wiring of planned.wirings)
    wirings.push({ ...wiring, baseline: await baselineOf(host, request, wiring.found, steps.length > 0) });
  for (const wiring of wirings) findings.push(...(await engineFindings(host, request, planned, wiring)));
  const edited = await foreignEdits(host, request.from?.record.edited, findings);
  const others = request.writes ?? [];
  const writes = [...others, ...(steps.length === 0 ? [] : await switchWrites(host, steps, request.to !== undefined, others))];
  const plan = { ...(await shownPlan(host, request, planned, writes)), findings: [...findings, ...edited, ...modules.findings] };
  return { ...planned, plan, writes, wirings, touched: [...new Set([...after, ...before])] };
}

/** What prevents the steps themselves. */
async function planFindings(host: HostView, { options, to }: SwitchRequest, planned: PlannedSwitch): Promise<Finding[]> {
  const { wirings, backend, placed, earlier, left } = planned;
  const findings: Finding[] = [...wirings.flatMap(({ found }) => goneFindings(found)), ...planned.findings];
  for (const { found, wiring, restarts } of wirings)
    findings.push(
      ...wiring.findings,
      ...(to === undefined ? [] : await maskedFindings(host, found)),
      ...(restarts.length > 0 ? await restartFindings(host, found) : []),
    );
  findings.push(...(await backend.risks(host, placed)), ...((await earlier?.risks(host, left)) ?? []));
  return refuse(findings, options.allow);
}

/**
 * Without Kata nothing is left that an engine which does not run would have to prove; one that is down, or has yet to start for the first time,
 * has nothing to compare with.
 */
async function baselineOf(
  host: HostView,
  { to, down = false }: SwitchRequest,
  { engine, instance, gone }: Found,
  changes: boolean,
): Promise<Baseline | undefined> {
  const provable = gone === undefined && instance.firstStart === undefined && (to !== undefined || instance.process !== undefined);
  return host.live && changes && provable && !down ? takeBaseline(host, engine, instance) : undefined;
}

/** What its handlers, its sandboxes and the policy have against the switch. */
async function engineFindings(
  host: HostView,
  request: SwitchRequest,
  planned: PlannedSwitch,
  { found, wiring, restarts, baseline }: CheckedWiring,
): Promise<Finding[]> {
  if (found.gone !== undefined) return [];
  const { from, to, options } = request;
  const { backend, before, after } = planned;
  if (baseline !== undefined) refuseTaken(baseline.state.handlers, after, before, wiring);
  const going = goingIn(request, planned);
  if (baseline !== undefined) refuseInUse(found.engine, baseline.state, going);
  if (baseline !== undefined) refuseDefault(found, baseline.dump, removedIn(planned));
  else await refuseDefaultInFiles(host, found, removedIn(planned));
  const stranded = baseline === undefined ? [] : strandedFindings(found.engine, baseline.state, going);
  const shims = { found, from: from?.manifest, to, sandboxes: baseline?.state.sandboxes ?? [], restarts: restarts.length > 0 };
  return [
    ...stranded,
    ...refuse(await shimFindings(host, shims), options.allow),
    ...(await refuseDenied(host, { found, from, to, options }, backend, labelled(found, wiring, baseline))),
  ];
}

/** What the engine will say of labels, where the change turns them on. */
function labelled({ engine }: Found, { selinux }: WiringPlan, baseline: Baseline | undefined): Baseline | undefined {
  return selinux !== 'comes' || baseline === undefined ? baseline : { ...baseline, dump: withLabels(engine, baseline.dump) };
}

/** Names that no file has afterwards. */
function removedIn({ before, after, restored }: PlannedSwitch): string[] {
  return before.filter((name) => !after.includes(name) && !restored.includes(name));
}

/** Throws `handler-is-default` where the engine’s effective configuration names one of these handlers as the default one. */
export function refuseDefault({ engine, instance }: Found, dump: Record<string, unknown>, removed: readonly string[]): void {
  const named = engine.defaultHandler.keys.map((keys) => valueAt(dump, keys));
  const lost = removed.find((name) => named.includes(name));
  if (lost !== undefined) throw handlerIsDefault(lost, engine, instance);
}

/**
 * The same by its files alone, on a tree, for an engine that does not run, and at a boot: there it runs with the wiring, and without it it
 * would serve no pod. Files that cannot be read say nothing; an engine that was uninstalled reads none.
 */
async function refuseDefaultInFiles(host: HostView, found: Found, removed: readonly string[]): Promise<void> {
  const { engine, instance } = found;
  if (removed.length === 0 || (host.booted && instance.binary === undefined)) return;
  const tables = (await engine.readSettings?.(host, instance).catch(nothingRead)) ?? [];
  const naming = tables.findLast((table) => engine.defaultHandler.keys.some((keys) => valueAt(table, keys) !== undefined));
  if (naming !== undefined) refuseDefault(found, naming, removed);
}

function nothingRead(error: unknown): [] {
  if (error instanceof KataError) return [];
  throw error;
}

/** What an earlier backend takes away is the shim of every handler, whatever the new one brings; so is what is seen elsewhere below /usr. */
function goingIn({ from, to, foreignWiring }: SwitchRequest, { backend, left, before }: PlannedSwitch): string[] {
  const base = from === undefined ? undefined : backendOf(from.manifest.backend).mountPoint(from.manifest.payloadFolder);
  const elsewhere = base?.startsWith('/usr/') === true && to !== undefined && base !== backend.mountPoint(to.payloadFolder);
  if (left.length > 0 || elsewhere) return before;
  return [...new Set([...removedHandlerNames(before, from?.manifest, to), ...(foreignWiring?.handlers ?? [])])];
}

/** Edits by other programs in files that kata-sysext edited: they stay, and are reported. */
async function foreignEdits(host: HostView, edited: Record<string, Digest> = {}, known: Finding[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [path, digest] of Object.entries(edited)) {
    const now = await host.digest(path);
    if (known.some((finding) => finding.subject === path) || now === undefined || now === digest) continue;
    const text = `another program or user edited ${path} after kata-sysext did; that edit stays`;
    found.push({ code: 'foreign-edit', level: 'info', subject: path, found: text, needed: 'nothing', next: 'nothing needs to be done' });
  }
  return found;
}

interface Switching {
  found: Found;
  from?: Generation | undefined;
  to?: GenerationManifest | undefined;
  options: Pick<ChangeOptions, 'allow'>;
}

/**
 * What SELinux has against the pods of a generation; nothing where none comes, or where nothing runs that could start them. Throws
 * `host-selinux-denies`, unless it is allowed now or was for the active generation.
 */
export async function refuseDenied(
  host: HostView,
  { found, from, to, options }: Switching,
  backend: Backend,
  baseline: Baseline | undefined,
  ask: typeof policyFindings = policyFindings,
): Promise<Finding[]> {
  if (to === undefined || baseline === undefined) return [];
  const home = backend.payloadDir(to.payloadFolder);
  const denied = await ask(host, { found, handlers: to.handlers, home, dump: baseline.dump });
  return refuse(denied, [...options.allow, ...(from?.record.allowed ?? [])]);
}

/**
 * Names of handlers and aliases that the change removes, or points at another shim or another handler: the engine would clean up their
 * sandboxes with the wrong program.
 */
export function removedHandlerNames(before: string[], from: GenerationManifest | undefined, to: GenerationManifest | undefined): string[] {
  return before.filter((name) => servedBy(to, name) === undefined || servedBy(to, name) !== servedBy(from, name));
}

function servedBy(manifest: GenerationManifest | undefined, name: string): string | undefined {
  const handler = manifest?.handlers.find((each) => each.name === (manifest.choices.aliases[name] ?? name));
  return handler === undefined ? undefined : `${handler.family} ${handler.name}`;
}

/**
 * An engine has handlers that none of its files names: built into it, or given on its command line. A name that its CRI lists, and that
 * kata-sysext did not make, belongs to another program. Throws engine-foreign-handler.
 */
export function refuseTaken(listed: string[], wanted: string[], own: string[], wiring: WiringPlan): void {
  // A handler that the files already define exactly as needed is used as it is; the planner has a finding for each.
  const shared = new Set(wiring.findings.map((finding) => finding.subject));
  const taken = wanted.find((name) => listed.includes(name) && !own.includes(name) && !shared.has(name));
  if (taken === undefined) return;
  throw new KataError('engine-foreign-handler', {
    subject: taken,
    found: `the engine lists a handler ${taken} already, and kata-sysext has not made it`,
    needed: 'a name that no other program defines',
    next: 'choose another name with --alias, or take that handler out of the engine and restart it',
  });
}
