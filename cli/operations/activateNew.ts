import type { PlannedComponent } from '../components/index.ts';
import type { Finding } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { bytes, command, words } from '../output/index.ts';
import { sameChoices } from '../planning/choices/choices.ts';
import type { ChangeOptions, Layer } from '../planning/choices/types.ts';
import { guardFindings, guardOf } from '../planning/programCopy.ts';
import { allowedFor, nothingAfterwards, switchRecords } from '../planning/records.ts';
import { switchFor } from '../planning/selinuxSwitch.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import { configurationDiffs } from '../planning/textDiff.ts';
import type { Found, Plan, SwitchRequest, Write } from '../planning/types.ts';
import { generationWrites, programWrites, shownWrites, switchWrites } from '../planning/writes.ts';
import { refuse } from '../preflight/engine.ts';
import { refuseSecond } from '../preflight/imageRules.ts';
import { needFindings } from '../preflight/needs.ts';
import { refuseFull } from '../preflight/room.ts';
import { checkedSwitch, type Switch } from '../preflight/switch.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import {
  type Choices,
  type Drawn,
  drawGeneration,
  type Generation,
  type GenerationManifest,
  imageNumber,
  isWaiting,
  lastNumber,
  type Origin,
  readGenerations,
} from '../store/index.ts';

/** What every change that makes a generation knows by now. */
export interface Change {
  verb: string;
  options: ChangeOptions;
  engines: Found[];
  from?: Generation | undefined;
  /** Make it, and leave what is active as it is. */
  stage?: boolean;
  /** Whose place it takes. */
  layer?: Layer | undefined;
}

export interface NewGeneration {
  origin: Origin;
  choices: Choices;
  backend: string;
  /** Where the payload's files are on the host once it is active. */
  home: string;
  /** The store gets the payload by this change. */
  fresh?: boolean;
  /** What staging and sealing write. */
  writes?: Write[];
  savedBytes?: number;
  /** What the choices need of the host. */
  findings?: Finding[];
  /** Files of the user in the payload. */
  components?: PlannedComponent[];
  /** Text of a file of the payload, where it is now. */
  readText(path: string): Promise<string>;
}

/** Makes a generation and makes it the active one. */
export async function planNew(view: View, change: Change, next: NewGeneration): Promise<OperationPlan> {
  const { host, program } = view;
  const { options, from } = change;
  const { findings = [] } = next;
  await refuseSecond(host, from);
  const number = host.image ? imageNumber : (await lastNumber(host)) + 1;
  const drawn = await drawGeneration({ ...next, number, program, created: view.started.toISOString() });
  const noted = refuse(findings, options.allow);
  const writes = [...(next.writes ?? []), ...(await programWrites(view, next.backend, 'always')), ...generationWrites(drawn)];
  if (change.stage === true) return planStage(view, change, { ...next, writes }, drawn, noted);
  const { verb, engines, layer } = change;
  const to = drawn.manifest;
  const guard = await guardOf(view, to);
  const loadModules = options.loadModules ?? from?.record.loadModules;
  const selinux = await switchFor(host, from, options.allow);
  const more = {
    selinux,
    fresh: next.fresh ?? false,
    writes,
    guard,
    loadModules,
    foreignWiring: layer?.foreignWiring,
    layer: layer?.step,
    ...beside(layer),
  };
  const planned = await checkedSwitch(host, { verb, id: view.id, engines, from, to, options, ...more });
  const { plan } = planned;
  const own = planOf(next);
  Object.assign(plan, own, { steps: [...own.steps, ...plan.steps] });
  plan.findings.unshift(...noted, ...(await refuseFull(host, planned.writes, next.writes !== undefined, options)));
  plan.findings.push(...guardFindings(view, to, guard));
  const configurations = await configurationDiffs(host, from, drawn);
  if (configurations.length > 0) plan.configurations = configurations;
  plan.findings.push(...(await comingFindings(host, from, drawn)));
  return operationOf(view, change, next, drawn, planned);
}

function beside(layer: Layer | undefined): Pick<SwitchRequest, 'displaced' | 'further'> {
  return { displaced: layer?.displaced, further: layer?.further };
}

/** What the host lacks for the added handlers. For the other handlers, an earlier change has reported it. */
function comingFindings(host: HostView, from: Generation | undefined, { manifest }: Drawn): Promise<Finding[]> {
  const known = new Set(from?.manifest.handlers.map((handler) => handler.name));
  const coming = manifest.handlers.filter((handler) => !known.has(handler.name)).map((handler) => handler.release);
  return needFindings(host, [...new Set(coming)]);
}

/** What a plan says of the files of the user. */
function planOf({ components = [] }: NewGeneration): Pick<Plan, 'components' | 'steps'> {
  const steps = components.map(({ handler, base, kind, name, digest, sizeBytes, kept }) => {
    const text = `${kept ? 'keep' : 'take'} ${name} as the ${kind} of ${handler}, which is based on ${base} (${bytes(sizeBytes)}, ${digest})`;
    return { kind: 'record' as const, text };
  });
  return { components: components.length === 0 ? undefined : components, steps };
}

function operationOf(
  { host, started }: View,
  { verb, options, engines, from, layer }: Change,
  { savedBytes = 0 }: NewGeneration,
  drawn: Drawn,
  planned: Switch,
): OperationPlan {
  const to = drawn.manifest;
  const loads = (options.loadModules ?? from?.record.loadModules) === false ? { loadModules: false } : {};
  const records = switchRecords({ from, to: to.number, allow: options.allow, ...loads }, planned, host.live, started);
  return {
    verb,
    plan: planned.plan,
    idle: false,
    from: from?.manifest.number,
    to,
    engines,
    planned,
    rehearsed: true,
    prove: options.prove,
    program: { own: true },
    generation: drawn,
    layer,
    afterwards: { ...nothingAfterwards, records },
    says: {
      savedBytes,
      nextCommand: layer?.nextCommand,
      // Another installer that is gone comes back by itself alone.
      undoCommand: layer?.displaced === undefined ? command(host, from === undefined ? 'uninstall' : 'rollback') : undefined,
    },
  };
}

/** The generation waits for `activate`. What the engine and the backend say about it is asked then. */
async function planStage(
  { host }: View,
  { options, from }: Change,
  next: NewGeneration,
  drawn: Drawn,
  findings: Finding[],
): Promise<OperationPlan> {
  const waiting = (await readGenerations(host)).filter(isWaiting).find((each) => sameGeneration(each.manifest, drawn.manifest));
  const to = waiting?.manifest ?? drawn.manifest;
  const named = (options.engines ?? []).flatMap((engine) => ['--engine', engine]);
  const nextCommand = command(host, words(['activate', String(to.number), ...named]));
  const text = `make generation ${to.number}, which waits for: ${nextCommand}`;
  const others = next.writes ?? [];
  const writes = waiting === undefined ? [...others, ...(await switchWrites(host, [], true, others))] : [];
  const room = await refuseFull(host, writes, true, options);
  const own = planOf(next);
  const steps = waiting === undefined ? [...own.steps, { kind: 'record' as const, text }] : [];
  const shown = { ...own, steps, ...(await shownWrites(host, writes)), findings: [...findings, ...room] };
  const common = { verb: 'stage', plan: { ...emptyPlan('stage'), to: to.number, ...shown }, to };
  if (waiting !== undefined) return { ...common, idle: true, afterwards: nothingAfterwards, says: { nextCommand } };
  const loads = (options.loadModules ?? from?.record.loadModules) === false ? { loadModules: false } : {};
  const records = [{ number: to.number, state: 'staged' as const, ...loads, ...allowedFor({ from, allow: options.allow }) }];
  return {
    ...common,
    idle: false,
    program: { own: true },
    generation: drawn,
    afterwards: { ...nothingAfterwards, records },
    says: { savedBytes: next.savedBytes ?? 0, nextCommand },
  };
}

function sameGeneration(a: GenerationManifest, b: GenerationManifest): boolean {
  const shape = (each: GenerationManifest) => [each.payload, each.backend, each.handlers.map((handler) => handler.configurationDigest)];
  return JSON.stringify(shape(a)) === JSON.stringify(shape(b)) && sameChoices(a.choices, b.choices);
}
