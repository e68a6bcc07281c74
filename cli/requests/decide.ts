import type { Digest } from '../host/index.ts';
import { type Attempt, attemptAt } from './memory.ts';
import type { NodeRequest } from './request.ts';

/** What is known of the node before anything is done. */
export interface Node {
  /** Name and version of the engines: 'containerd 2.1.9'. */
  engine: string;
  /** The OS version or deployment. */
  system: string;
  /** The active generation. */
  active: number | undefined;
  /** Generations that are here. */
  generations: readonly number[];
  /** Those of them that did not prove themselves: a boot went back from them. */
  failed: readonly number[];
  /** Nothing of Kata is here: no generation, no wiring, no change that is open. */
  isVacant: boolean;
  /** The node was away, and came back at this time (RFC 3339): its place in a rollout is not known. */
  awayUntil?: string | undefined;
}

export type Decision =
  | { act: 'observe' | 'install' | 'uninstall' }
  /** A generation that this request made is still here. */
  | { act: 'switch'; to: number }
  /** It is new, and not begun until `retry` is higher. */
  | { act: 'hold'; reason: string }
  | { act: 'nothing'; state: 'done' | 'failed' | 'held'; code?: string; reason: string };

/**
 * What to do about a request. One that failed here is not tried again, and after a failure no new one begins, until `retry` is higher: a
 * fleet would break every node in turn. Another version of the engine or of the OS counts as a retry, and so does an install that is done for a
 * failed uninstall. What was well here before is not new.
 *
 * A node that was away does not begin a new one either: Kubernetes replaces the pods of all nodes that are not ready at once, whatever
 * maxUnavailable says, and may do so by a template that failed elsewhere.
 */
export function decide(request: NodeRequest, digest: Digest, attempts: readonly Attempt[], node: Node): Decision {
  const { mode, retry = 0 } = request;
  if (mode === 'observe') return { act: 'observe' };
  const begun = attempts.filter(({ outcome }) => outcome !== 'held');
  const [last, own] = [begun.at(-1), attemptAt(attempts, digest)].map((attempt) => attempt && settled(attempt, node));
  const isOver = ({ outcome, ...then }: Attempt) =>
    outcome === 'failed' && retry <= then.retry && !isOther(then.engine, node.engine) && then.system === node.system;
  if (own !== undefined && isOver(own) && !isOutdated(mode, digest, attempts))
    return { act: 'nothing', state: 'failed', ...codeOf(own), reason: own.reason ?? 'it failed here' };
  if (own?.outcome === 'held' && retry <= own.retry) return { act: 'nothing', state: 'held', reason: own.reason ?? 'it is held here' };
  const isNew = mode === 'install' && own?.outcome !== 'done';
  if (isNew && last !== undefined && last.request !== digest && isOver(last)) {
    const why = `the request before failed here (${last.reason ?? last.code ?? 'no reason is known'}): a new one begins with a higher retry`;
    return { act: 'nothing', state: 'held', ...codeOf(last), reason: why };
  }
  if (isNew && own === undefined && node.awayUntil !== undefined) {
    return {
      act: 'hold',
      reason: `the node was away until ${node.awayUntil}, after its last report: a new request begins with a higher retry`,
    };
  }
  if (mode === 'uninstall')
    return node.isVacant ? { act: 'nothing', state: 'done', reason: 'Kata is not installed' } : { act: 'uninstall' };
  const made = own?.outcome === 'done' ? own.generation : undefined;
  if (made !== undefined && made !== node.active && node.generations.includes(made)) return { act: 'switch', to: made };
  return { act: 'install' };
}

/** How long a node counts as away after it came back: Kubernetes has made its new pod by then. */
export const awayMs = 10 * 60_000;
/** A kubelet may call its node unready for a moment while a change restarts the engine, and ready again after the report. */
const slackMs = 30_000;

/** What is known of the time since which a node is ready. */
export interface Absence {
  /** By the word of whoever asks; undefined where it does not say so. */
  readySince: Date | undefined;
  /** Of its last report, which keeps its time while it says the same. A node without one is a new one. */
  reportedAt: string | undefined;
  /** When it came back, as it is remembered: a report may be newer than the return. */
  remembered: string | undefined;
}

/** When a node came back that was away; what is remembered counts for ten minutes. */
export function returnOf({ readySince, reportedAt, remembered }: Absence, now: Date): string | undefined {
  const reported = reportedAt === undefined ? undefined : Date.parse(reportedAt);
  // The clock went back since the report: what it says of the time is not known, and a return is at most so long ago that it counts.
  const after = reported !== undefined && reported > now.getTime() ? now.getTime() - awayMs : reported;
  const isLate = after !== undefined && readySince !== undefined && readySince <= now && readySince.getTime() > after + slackMs;
  if (isLate) return readySince.toISOString();
  return remembered !== undefined && now.getTime() - Date.parse(remembered) <= awayMs ? remembered : undefined;
}

/**
 * What an attempt came to in the end. A node that goes down in the middle tries once more; one that goes down again may do so because of the
 * request. One that was done failed after all where a boot went back from its generation.
 */
export function settled(attempt: Attempt, { failed }: Pick<Node, 'failed'>): Attempt {
  const { outcome, interrupted = 0, generation } = attempt;
  if (outcome === 'began' && interrupted > 0)
    return { ...attempt, outcome: 'failed', code: 'interrupted', reason: 'the node went down in the middle of it, twice' };
  if (outcome === 'done' && generation !== undefined && failed.includes(generation))
    return { ...attempt, outcome: 'failed', code: 'gate-failed', reason: `a boot went back from generation ${generation}` };
  return attempt;
}

/** Requests to uninstall are all alike: one that comes after a later install asks for something else than the one that failed before it. */
function isOutdated(mode: NodeRequest['mode'], digest: Digest, attempts: readonly Attempt[]): boolean {
  const at = attempts.findIndex(({ request }) => request === digest);
  return mode === 'uninstall' && attempts.slice(at + 1).some(({ outcome }) => outcome === 'done');
}

/** A version that could not be asked, as on a node that is busy or boots, is no other one. */
function isOther(then: string, now: string): boolean {
  const isKnown = (engines: string) => engines.split(', ').every((engine) => / \S/.test(engine));
  return then !== now && isKnown(then) && isKnown(now);
}

function codeOf({ code }: Attempt): { code?: string } {
  return code === undefined ? {} : { code };
}
