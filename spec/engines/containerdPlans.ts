import { handlerTable } from '../../cli/engines/containerd/handlers.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { FileChange, Wiring, WiringPlan } from '../../cli/engines/types.ts';
import { type EngineTree, handler, instanceOf } from '../support/trees/engineTree.ts';

export const main = '/etc/containerd/config.toml';
/** The CRI plugin's name up to 1.x and from 2.x on. */
export const oldId = 'io.containerd.grpc.v1.cri';
export const newId = 'io.containerd.cri.v1.runtime';
/** What the daemon would lose as soon as one runtime is written. */
export const runc = { runc: { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: false } } };

/** The plan for a daemon of that version (undefined: unknown) that reads the main file. */
export async function plan(tree: EngineTree, version: string | undefined, names: string[], recorded?: Wiring): Promise<WiringPlan> {
  return containerd.plan(tree.host, instanceOf(version), names.map(handler), recorded);
}

export function newText(change: FileChange | undefined): string {
  return change === undefined || change.after === 'absent' ? '' : change.after.text;
}

/** The tables of these handlers, and of others. */
export function runtimes(names: string[], also: Record<string, unknown> = {}) {
  return { ...also, ...Object.fromEntries(names.map((name) => [name, handlerTable(handler(name))])) };
}
