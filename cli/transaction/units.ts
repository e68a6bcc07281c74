import type { HostView } from '../host/index.ts';
import type { Unit, UnitState } from '../systemd/types.ts';
import type { RestartStep } from './types.ts';

const marginMs = 10_000;
const startDependentMs = 90_000;
/** systemd's "infinity". */
const foreverMs = 2 ** 50;

/** Active units that a restart of `unit` takes down or could leave down. */
export async function dependentsOf(host: HostView, unit: Unit): Promise<Unit[]> {
  const systemd = await host.systemd();
  if (systemd === undefined) return [];
  const active = new Set(await systemd.activeUnits());
  const state = await systemd.unit(unit);
  const near = [...state.requiredBy, ...state.boundBy, ...state.consistsOf];
  return [...new Set(near)].filter((name) => active.has(name) && name.endsWith('.service')).sort();
}

/** The unit's own timeouts plus a margin. */
export function restartDeadlineMs(state: UnitState): number {
  const finite = (ms: number) => (ms > 0 && ms < foreverMs ? ms : 90_000);
  return finite(state.timeoutStopMs) + finite(state.timeoutStartMs) + marginMs;
}

/**
 * Restarts the engine and starts each recorded dependent that is not active. A start limit is reset first: without it a second try is
 * refused, and a unit that requires the engine stays down until it is started itself (facts/lab.md §14).
 */
export async function bringUp(host: HostView, step: RestartStep): Promise<{ problems: string[] }> {
  const systemd = await host.systemd();
  if (systemd === undefined) return { problems: ['systemd does not answer'] };
  const problems: string[] = [];
  await systemd.resetFailed(step.unit);
  const result = await systemd.restart(step.unit, step.deadlineMs);
  if (result !== 'done') problems.push(`the restart of ${step.unit} ended as ${result}`);
  for (const unit of step.dependents) {
    if ((await systemd.unit(unit)).activeState === 'active') continue;
    await systemd.resetFailed(unit);
    const started = await systemd.start(unit, startDependentMs);
    if (started !== 'done') problems.push(`the start of ${unit} ended as ${started}`);
  }
  return { problems };
}
