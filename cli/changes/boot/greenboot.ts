import type { HostView } from '../../host/index.ts';

/** The unit of greenboot and of its successor in Rust: it runs the administrator's health checks of a boot. */
const healthcheck = 'greenboot-healthcheck.service';

/** What the administrator's health checks have against this boot so far; undefined where there are none, or when they have passed. */
export async function unhealthy(host: HostView): Promise<{ ill: string; failed: boolean } | undefined> {
  const unit = await (await host.systemd())?.unit(healthcheck);
  if (unit?.loadState !== 'loaded') return undefined;
  if (unit.activeState === 'failed') return { ill: `${healthcheck} has failed`, failed: true };
  return unit.activeState === 'activating' ? { ill: `${healthcheck} has not ended`, failed: false } : undefined;
}
