import { type Engine, type EngineState, type Instance, probeTimeouts } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { Unit, UnitState } from '../systemd/types.ts';
import { dependentsOf } from '../transaction/index.ts';

/** What worked before the change; the gate compares with it. */
export interface Baseline {
  state: EngineState;
  dump: Record<string, unknown>;
  unit?: UnitState | undefined;
  dependents: Unit[];
}

/** Of an engine without a daemon: nothing is running that a change could break. */
const nothingRuns: EngineState = { reachable: true, runtimeReady: true, handlers: [], sandboxes: [], effective: {} };

/**
 * Asks the running engine. Throws `engine-unhealthy` when it does not work even before the change: the gate could not tell what the change
 * broke.
 */
export async function takeBaseline(host: HostView, engine: Engine, instance: Instance): Promise<Baseline> {
  const state = (await engine.daemon?.probe(host, instance, probeTimeouts.onceMs)) ?? nothingRuns;
  if (!state.reachable) {
    throw new KataError('engine-unhealthy', {
      subject: instance.unit ?? instance.socket ?? engine.name,
      found: `${engine.name} does not answer on ${instance.socket ?? 'a socket'}: ${state.why ?? 'no reason given'}`,
      needed: 'an engine that works before the change',
      next: `systemctl status ${instance.unit ?? engine.name}; journalctl -u ${instance.unit ?? engine.name} -n 50`,
    });
  }
  const systemd = await host.systemd();
  const unit = instance.unit === undefined ? undefined : await systemd?.unit(instance.unit);
  return {
    state,
    dump: (await engine.dump?.dumpEffective(host, instance)) ?? {},
    unit,
    dependents: instance.unit === undefined ? [] : await dependentsOf(host, instance.unit),
  };
}
