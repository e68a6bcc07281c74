import { backendOf } from '../backends/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { type Baseline, takeBaseline } from '../gate/index.ts';
import type { Digest, HostView } from '../host/index.ts';
import { shownPlan } from '../planning/shownPlan.ts';
import { type PlannedSwitch, planSwitch } from '../planning/switch.ts';
import type { Found, Plan, SwitchRequest } from '../planning/types.ts';
import { switchWrites, type Write } from '../planning/writes.ts';
import { refuse, restartFindings } from './engine.ts';
import { refuseOwned } from './owned.ts';
import { refuseDenied } from './policy.ts';
import { refuseInUse, refuseTaken, removedHandlerNames, strandedFindings } from './removedHandlers.ts';
import { shimFindings } from './shimFindings.ts';

/** A planned switch that no check prevents, and what the engine did before it. */
export interface Switch extends PlannedSwitch {
  plan: Plan;
  /** What the plan shows as `writes`, with what a check of free room needs. */
  writes: Write[];
  baseline: Baseline | undefined;
  /** Handlers of kata-sysext before and after. */
  touched: string[];
}

/** Plans a switch, asks the host and the live engine what they have against it, and throws the first blocker that is not allowed. Reads only. */
export async function checkedSwitch(host: HostView, request: SwitchRequest): Promise<Switch> {
  const planned = await planSwitch(host, request);
  const { steps, before, after, modules } = planned;
  const findings = await planFindings(host, request, planned);
  await refuseOwned(host, steps, request.to);
  const baseline = await baselineOf(host, request, steps.length > 0);
  findings.push(...(await engineFindings(host, request, planned, baseline)));
  const edited = await foreignEdits(host, request.from?.record.edited, findings);
  const others = request.writes ?? [];
  const writes = [...others, ...(steps.length === 0 ? [] : await switchWrites(host, steps, request.to !== undefined, others))];
  const plan = { ...(await shownPlan(host, request, planned, writes)), findings: [...findings, ...edited, ...modules.findings] };
  return { ...planned, plan, writes, baseline, touched: [...new Set([...after, ...before])] };
}

/** What prevents the steps themselves. */
async function planFindings(host: HostView, { found, options }: SwitchRequest, planned: PlannedSwitch): Promise<Finding[]> {
  const { wiring, restarts, backend, placed, earlier, left } = planned;
  return refuse(
    [
      ...wiring.findings,
      ...(restarts.length > 0 ? await restartFindings(host, found) : []),
      ...(await backend.risks(host, placed)),
      ...((await earlier?.risks(host, left)) ?? []),
    ],
    options.allow,
  );
}

/** Without Kata nothing is left that an engine which does not run would have to prove; one that is down has nothing to compare with. */
async function baselineOf(host: HostView, { found, to, down = false }: SwitchRequest, changes: boolean): Promise<Baseline | undefined> {
  const provable = to !== undefined || found.instance.process !== undefined;
  return host.live && changes && provable && !down ? takeBaseline(host, found.engine, found.instance) : undefined;
}

/** What its handlers, its sandboxes and the policy have against the switch. */
async function engineFindings(
  host: HostView,
  request: SwitchRequest,
  planned: PlannedSwitch,
  baseline: Baseline | undefined,
): Promise<Finding[]> {
  const { found, from, to, options } = request;
  const { wiring, restarts, backend, before, after } = planned;
  if (baseline !== undefined) refuseTaken(baseline.state.handlers, after, before, wiring);
  const going = goingIn(request, planned);
  if (baseline !== undefined) refuseInUse(found.engine, baseline.state, going);
  const stranded = baseline === undefined ? [] : strandedFindings(found.engine, baseline.state, going);
  const shims = { found, from: from?.manifest, to, sandboxes: baseline?.state.sandboxes ?? [], restarts: restarts.length > 0 };
  return [
    ...stranded,
    ...refuse(await shimFindings(host, shims), options.allow),
    ...(await refuseDenied(host, request, backend, baseline)),
  ];
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
    if (known.some((finding) => finding.subject === path) || (await host.digest(path)) === digest) continue;
    const text = `another program or user edited ${path} after kata-sysext did; that edit stays`;
    found.push({ code: 'foreign-edit', level: 'info', subject: path, found: text, needed: 'nothing', next: 'nothing needs to be done' });
  }
  return found;
}

/** Asks the engine's own binary about copies of the planned files. `scratch` writes a copy into a folder of kata-sysext. */
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
    found: `the change would alter more than the handlers of kata-sysext: ${[...others, ...warnings].slice(0, 5).join('; ')}`,
    needed: `only ${planned.touched.join(', ')} to differ in the effective configuration`,
    next: `look at: ${dump.showCommand(found.instance)}`,
    details: { keys: others, warnings },
  });
}
