import { backendOf } from '../../backends/index.ts';
import { probeTimeouts, servingPid } from '../../engines/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { type Generation, namesOf } from '../../store/index.ts';
import type { UnitState } from '../../systemd/types.ts';
import { partsOf, wiredEngine, wiredEngines } from '../engine.ts';

/** Automatic restarts after which an engine is not waited for any longer. */
const maxRestarts = 5;
/** The unit of greenboot and of its successor in Rust: it runs the administrator's health checks of a boot. */
const healthcheck = 'greenboot-healthcheck.service';

/** One look at an engine of a generation, or at all of them. */
export interface Health {
  /** What is wrong; undefined when everything is well. */
  ill?: string | undefined;
  /** Its CRI answers, whatever it says. */
  serves: boolean;
  /** It was started, and does not serve. */
  down: boolean;
  /** It was not started in this boot; one that hangs while it starts was started. */
  untried: boolean;
  /**
   * It does not serve, and systemd has stopped restarting it or starts it again and again; or the administrator's checks of the boot have
   * failed.
   */
  failed: boolean;
  /** Which run of the engine answered. */
  run: string;
}

/** What PID 1 says of the engine's unit, beside an engine that answers or not. Whatever one had to wait for before, it serves now. */
export function standing(unit: UnitState | undefined, serves: boolean): Pick<Health, 'serves' | 'down' | 'untried' | 'failed'> {
  const restarts = unit?.restarts ?? 0;
  const failed = !serves && (unit?.activeState === 'failed' || restarts >= maxRestarts);
  const untried = unit?.activeState === 'inactive' && unit.activeEnterMs === 0 && restarts === 0;
  // An engine that was not started is no fault of the wiring.
  return { serves, failed, untried, down: !serves && (failed || unit?.activeState === 'active' || restarts > 0) };
}

/** Of all engines of a generation: well, or serving, only where each of them is. */
export async function health(host: HostView, from: Generation): Promise<Health> {
  // One of several that was removed says nothing of the others.
  const gone = (await wiredEngines(host, from).catch(() => [])).flatMap(({ engine, gone }) => (gone === undefined ? [] : [engine.name]));
  const parts = partsOf(from).filter(({ record: { wiring } }) => wiring === undefined || !gone.includes(wiring.engine));
  const all = await Promise.all(parts.map((part) => healthOf(host, part)));
  const ill = all.find((each) => each.ill !== undefined)?.ill;
  return {
    ill,
    serves: all.every(({ serves }) => serves),
    down: all.some(({ down }) => down),
    untried: all.some(({ untried }) => untried),
    failed: all.some(({ failed }) => failed),
    run: all.map(({ run }) => run).join(', '),
  };
}

async function healthOf(host: HostView, from: Generation): Promise<Health> {
  const { manifest } = from;
  const wiring = from.record.wiring;
  const systemd = await host.systemd();
  const unit = wiring?.unit === undefined ? undefined : await systemd?.unit(wiring.unit);
  const pid = await servingPid(host, unit?.mainPid ?? 0, wiring?.effect);
  const run = `${unit?.invocationId} ${pid ?? 0}`;
  try {
    const found = await wiredEngine(host, from);
    const state = await found.engine.daemon?.probe(host, found.instance, probeTimeouts.repeatedMs);
    if (state?.reachable === false) return { ...standing(unit, false), run, ill: state.why ?? 'the CRI does not answer' };
    const serving = { ...standing(unit, true), run };
    const missing = state === undefined ? [] : namesOf(manifest).filter((name) => !state.handlers.includes(name));
    if (missing.length > 0) return { ...serving, ill: `the CRI does not list ${missing.join(', ')}` };
    const pids = [1, ...(pid === undefined ? [] : [pid])];
    const checks = await unhealthy(host);
    if (checks !== undefined) return { ...serving, ...checks };
    const [problem] = await backendOf(manifest.backend).verifyVisible(host, manifest, pids);
    return { ...serving, ill: problem };
  } catch (error) {
    return { ...standing(unit, false), run, ill: error instanceof KataError ? error.complaint.found : String(error) };
  }
}

/**
 * Which of the administrator's health checks has failed or has not ended in this boot; undefined where there are none, or when they have
 * passed.
 */
async function unhealthy(host: HostView): Promise<{ ill: string; failed: boolean } | undefined> {
  const unit = await (await host.systemd())?.unit(healthcheck);
  if (unit?.loadState !== 'loaded') return undefined;
  if (unit.activeState === 'failed') return { ill: `${healthcheck} has failed`, failed: true };
  // Queued in a boot that goes on: what it waits for may take longer than the engine.
  return unit.activeState === 'activating' || (unit.activeState === 'inactive' && unit.queued)
    ? { ill: `${healthcheck} has not ended`, failed: false }
    : undefined;
}
