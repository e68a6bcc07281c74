import type { HostView } from '../../host/index.ts';

/** The unit of greenboot and of its successor in Rust: it runs the administrator's health checks of a boot. */
const healthcheck = 'greenboot-healthcheck.service';

/**
 * Which of the administrator's health checks has failed or has not ended in this boot; undefined where there are none, or when they have
 * passed.
 */
export async function unhealthy(host: HostView): Promise<{ ill: string; failed: boolean } | undefined> {
  const unit = await (await host.systemd())?.unit(healthcheck);
  if (unit?.loadState !== 'loaded') return undefined;
  if (unit.activeState === 'failed') return { ill: `${healthcheck} has failed`, failed: true };
  // Queued in a boot that goes on: what it waits for may take longer than the engine.
  return unit.activeState === 'activating' || (unit.activeState === 'inactive' && unit.queued)
    ? { ill: `${healthcheck} has not ended`, failed: false }
    : undefined;
}
