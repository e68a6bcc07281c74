import { backendOf } from '../../backends/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { type Generation, namesOf } from '../../store/index.ts';
import { wiredEngine } from './engine.ts';
import { unhealthy } from './greenboot.ts';

/** Automatic restarts after which an engine is not waited for any longer. */
const mostRestarts = 5;
const probeMs = 5_000;

/** One look at the engine of a generation. */
export interface Health {
  /** What is wrong; undefined when everything is well. */
  ill?: string;
  /** Its CRI answers, whatever it says. */
  serves: boolean;
  /** It was started, and does not serve. */
  down: boolean;
  /** Nobody has started it in this boot; one that hangs while it starts was started. */
  untried: boolean;
  /** systemd gave up on it, or starts it again and again. */
  failed: boolean;
  /** Which run of the engine answered. */
  run: string;
}

export async function health(host: HostView, from: Generation): Promise<Health> {
  const { manifest } = from;
  const wiring = from.record.wiring;
  const systemd = await host.systemd();
  const unit = wiring?.unit === undefined ? undefined : await systemd?.unit(wiring.unit);
  const restarts = unit?.restarts ?? 0;
  const failed = unit?.activeState === 'failed' || restarts >= mostRestarts;
  const untried = unit?.activeState === 'inactive' && unit.activeEnterMs === 0 && restarts === 0;
  // One that nobody has started is no fault of ours.
  const down = failed || unit?.activeState === 'active' || restarts > 0;
  const both = { untried, failed, run: `${unit?.invocationId} ${unit?.mainPid}` };
  try {
    const found = await wiredEngine(host, from);
    const state = await found.engine.probe(host, found.instance, probeMs);
    if (!state.reachable) return { ...both, ill: state.why ?? 'the CRI does not answer', serves: false, down };
    const serving = { ...both, serves: true, down: false };
    const missing = namesOf(manifest).filter((name) => !state.handlers.includes(name));
    if (missing.length > 0) return { ...serving, ill: `the CRI does not list ${missing.join(', ')}` };
    const pids = [1, ...(unit === undefined || unit.mainPid === 0 ? [] : [unit.mainPid])];
    const checks = await unhealthy(host);
    if (checks !== undefined) return { ...serving, ill: checks.ill, failed: failed || checks.failed };
    const [problem] = await backendOf(manifest.backend).reaches(host, manifest, pids);
    return { ...serving, ...(problem === undefined ? {} : { ill: problem }) };
  } catch (error) {
    return { ...both, ill: error instanceof KataError ? error.complaint.found : String(error), serves: false, down };
  }
}
