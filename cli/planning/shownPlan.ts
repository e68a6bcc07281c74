import type { HostView } from '../host/index.ts';
import { describe, type FileStep, type RestartStep } from '../transaction/index.ts';
import type { PlannedSwitch } from './switch.ts';
import { insideLines } from './textDiff.ts';
import type { Found, Plan, SwitchRequest, Write } from './types.ts';
import { shownWrites } from './writes.ts';

/** The plan of a change that touches nothing outside the folders of kata-sysext. */
export function emptyPlan(verb: string): Plan {
  return { verb, steps: [], restarts: [], dependents: [], gate: [], bytesWritten: 0, writes: [], findings: [] };
}

/** A planned switch as plain data for people and programs. */
export async function shownPlan(
  host: HostView,
  { verb, engines, from, to, options }: SwitchRequest,
  planned: PlannedSwitch,
  writes: Write[],
): Promise<Omit<Plan, 'findings'>> {
  const { steps, modules } = planned;
  const renderer = engines.flatMap(({ instance }) => instance.renderer ?? [])[0];
  const restarts = steps.filter((step) => step.kind === 'restart');
  return {
    verb,
    from: from?.manifest.number,
    to: to?.number,
    steps: steps.map((step) => ({
      kind: step.kind,
      text: describe(step),
      diff: step.kind === 'file' ? (modules.diff.get(step) ?? diffOf(planned, step)) : undefined,
    })),
    rendered: renderer === undefined ? undefined : { title: renderer.title, writes: renderer.writes, when: renderer.when },
    restarts: restarts.flatMap((step) => (step.by === 'restart' ? [...new Set([step.asked, step.unit])] : [])),
    ...reloadsIn(restarts),
    byItself: restarts.flatMap(({ unit, itself }) => (itself === undefined ? [] : [{ unit, program: itself.program }]))[0],
    dependents: restarts.flatMap((step) => (step.by === 'restart' ? step.dependents : [])),
    gate: gateText({
      live: host.live && engines.every(({ instance }) => instance.firstStart === undefined),
      restarts: restarts.length > 0,
      coming: to !== undefined,
      pods: options.prove !== undefined,
      speakers: speakersOf(engines),
    }),
    ...(await shownWrites(host, writes)),
  };
}

function reloadsIn(restarts: RestartStep[]): Pick<Plan, 'reloads'> {
  const reloads = restarts.flatMap((step) => (step.by === 'reload' ? [step.asked] : []));
  return reloads.length === 0 ? {} : { reloads };
}

function diffOf({ wirings }: PlannedSwitch, step: FileStep): string[] {
  const change = wirings.flatMap(({ wiring, files }) => (files.includes(step) ? (wiring.changes[files.indexOf(step)] ?? []) : []))[0];
  return change === undefined ? [] : insideLines(change);
}

/** Who says which handlers there are: of several engines each is named. */
function speakersOf(engines: readonly Found[]): string[] {
  const asked = engines.filter(({ gone }) => gone === undefined);
  return asked.map(({ engine }) => `the ${engine.cri === undefined ? 'daemon' : 'CRI'}${engines.length > 1 ? ` of ${engine.name}` : ''}`);
}

/** What is known of a change before it is proven. */
interface Proving {
  /** Nothing runs in an offline tree, so only its files are proven. */
  live: boolean;
  restarts: boolean;
  /** A generation becomes active. */
  coming: boolean;
  /** `--prove pod` */
  pods: boolean;
  /** 'the CRI', or 'the daemon' of an engine that has an API of its own in its place. */
  speakers?: string[];
}

/** What a change proves before it commits: lines of its plan. */
export function gateText({ live, restarts, coming, pods, speakers = ['the CRI'] }: Proving): string[] {
  const rows: [boolean, string][] = [
    [live, 'the effective configuration differs only by kata-sysext’s handlers'],
    ...speakers.map((who): [boolean, string] => [live, `${who} is ready and lists every earlier handler`]),
    [coming, 'the installed shim and configuration have their digests'],
    [live && restarts, 'engine and dependents stay active for 8 s'],
    [coming && pods, 'a pod of every handler starts, and is removed again'],
  ];
  return rows.flatMap(([said, text]) => (said ? [text] : []));
}
