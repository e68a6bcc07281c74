import type { JobResult, Systemd, Unit, UnitState } from '../../cli/systemd/types.ts';

export interface ScriptedSystemd {
  systemd: Systemd;
  /** Calls that change something, in order: 'restart containerd.service'. */
  calls: string[];
}

/** A unit that runs and has nothing to do with any other. */
export function unitState(unit: Unit, more: Partial<UnitState> = {}): UnitState {
  return {
    unit,
    loadState: 'loaded',
    activeState: 'active',
    queued: false,
    subState: 'running',
    result: 'success',
    mainPid: 100,
    invocationId: 'first',
    restarts: 0,
    killMode: 'process',
    fragmentPath: `/usr/lib/systemd/system/${unit}`,
    dropInPaths: [],
    needDaemonReload: false,
    activeEnterMs: 1_700_000_000_000,
    stateChangeMs: 1_700_000_000_000,
    timeoutStartMs: 90_000,
    timeoutStopMs: 90_000,
    environment: [],
    wantedBy: [],
    requiredBy: [],
    boundBy: [],
    consistsOf: [],
    requisiteOf: [],
    propagatesStopTo: [],
    ...more,
  };
}

/**
 * A stand-in for PID 1, given to the code as an argument. `look` says what a unit is each time it is asked; `job` what a job of it ends as,
 * and may change what `look` says later.
 */
export function scriptedSystemd(
  look: (unit: Unit) => Partial<UnitState> | undefined,
  { active = [], job = () => 'done' }: { active?: Unit[]; job?: (verb: string, unit: Unit) => JobResult } = {},
): ScriptedSystemd {
  const calls: string[] = [];
  const asked = (verb: string) => async (unit: Unit) => {
    calls.push(`${verb} ${unit}`);
    return job(verb, unit);
  };
  const systemd: Systemd = {
    version: async () => '255',
    unit: async (unit) => {
      const more = look(unit);
      return unitState(unit, more ?? { loadState: 'not-found', activeState: 'inactive' });
    },
    activeUnits: async () => active,
    livingUnits: async () => active,
    start: asked('start'),
    restart: asked('restart'),
    reload: asked('reload'),
    stop: asked('stop'),
    resetFailed: async (unit) => void calls.push(`reset-failed ${unit}`),
    daemonReload: async () => void calls.push('daemon-reload'),
    startTransient: async ({ unit }) => void calls.push(`start-transient ${unit}`),
    signal: async (unit) => void calls.push(`signal ${unit}`),
    close: () => undefined,
  };
  return { systemd, calls };
}
