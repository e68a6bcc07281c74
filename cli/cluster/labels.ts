import type { NodeReport } from '../requests/index.ts';
import { listAt, tableAt, textAt } from './values.ts';

/** Says that Kata runs here, to RuntimeClasses; the second is what those of kata-deploy 4.1 select also. */
export const runtimeLabels = ['katacontainers.io/kata-runtime', 'kata-deploy.katacontainers.io/default'];
/** GENERATION-RELEASE. It says as well whose the others are: kata-deploy has the same names. */
export const ownLabel = 'katacontainers.io/kata-sysext';
/** With it a new node begins, where the pool of an autoscaler names it. */
const startupTaint = { key: 'kata-sysext/not-ready', effect: 'NoSchedule' };

export interface NodeState {
  name: string;
  labels: Record<string, unknown> | undefined;
  taints: unknown[];
  /** The handlers that the kubelet learned of from the engine; empty where the engine does not tell (containerd before 2.0). */
  handlers: string[];
}

/** Of an answer to GET /api/v1/nodes/NAME; undefined where it is no Node. */
export function nodeState(value: unknown): NodeState | undefined {
  const name = textAt(value, 'metadata', 'name');
  if (textAt(value, 'kind') !== 'Node' || name === undefined) return undefined;
  return {
    name,
    labels: tableAt(value, 'metadata', 'labels'),
    taints: listAt(value, 'spec', 'taints'),
    handlers: listAt(value, 'status', 'runtimeHandlers').flatMap((each) => textAt(each, 'name') ?? []),
  };
}

/** RFC 6902. */
export type PatchStep = { op: 'add' | 'test'; path: string; value: unknown } | { op: 'remove'; path: string };

export interface LabelPlan {
  /** Nothing where the node is as it should be. */
  steps: PatchStep[];
  /** Handlers of the active generation that the node does not list, although it lists others. */
  missing: string[];
  proven: boolean;
}

/**
 * What a node's labels should be. They are set for what the gate has proven here, as far as the node itself lists it. A request that failed
 * leaves the generation before it, and that one's labels; a node that cannot have Kata, or lists a handler no more, loses them.
 */
export function planLabels(report: NodeReport | undefined, node: NodeState): LabelPlan {
  const { handlers, labels = {} } = node;
  const has = (name: string) => Object.hasOwn(labels, name);
  const installed = report !== undefined && report.generation !== undefined && report.handlers.length > 0;
  const missing = installed && handlers.length > 0 ? report.handlers.filter((name) => !handlers.includes(name)) : [];
  const able = installed && missing.length === 0 && report.state !== 'unsuitable';
  const proven = able && ((report.state === 'done' && report.mode === 'install') || has(ownLabel));
  const value = report?.state === 'done' ? ownValue(report) : labels[ownLabel];
  const wanted: [string, unknown][] = proven ? [...runtimeLabels.map((name): [string, unknown] => [name, 'true']), [ownLabel, value]] : [];
  const set = wanted
    .filter(([name, value]) => !has(name) || labels[name] !== value)
    .map(([name, value]): PatchStep => ({ op: 'add', path: labelPath(name), value }));
  // Without the own label the others are another installer's.
  const removed = !proven && has(ownLabel) ? [...runtimeLabels, ownLabel].filter(has) : [];
  const steps: PatchStep[] = [
    ...(set.length > 0 && node.labels === undefined ? [{ op: 'add', path: '/metadata/labels', value: {} } as const] : []),
    ...set,
    ...removed.map((name): PatchStep => ({ op: 'remove', path: labelPath(name) })),
    ...(proven ? withoutTaint(node.taints) : []),
  ];
  return { steps, missing, proven };
}

/** Whoever changes the taints meanwhile is not overwritten: the place has to have the same taint still. */
function withoutTaint(taints: readonly unknown[]): PatchStep[] {
  const index = taints.findIndex((taint) => textAt(taint, 'key') === startupTaint.key && textAt(taint, 'effect') === startupTaint.effect);
  if (index < 0) return [];
  const path = `/spec/taints/${index}`;
  return [
    { op: 'test', path, value: taints[index] },
    { op: 'remove', path },
  ];
}

/** A part of a JSON pointer (RFC 6901). */
function labelPath(name: string): string {
  return `/metadata/labels/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

const maxLabel = 63;

/** A release may have characters that a label has not. */
export function ownValue({ generation, release = '' }: NodeReport): string {
  return `${generation}-${release}`
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(0, maxLabel)
    .replace(/[^A-Za-z0-9]+$/, '');
}
