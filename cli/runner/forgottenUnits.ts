import type { HostView } from '../host/index.ts';
import type { Intent, Outcome } from '../transaction/index.ts';

/** Units of kata-sysext, where a change of a host puts them. */
const ourUnit = /^\/etc\/systemd\/system\/kata-sysext-[a-z]+\.service$/;

/**
 * PID 1 goes on listing a unit whose file went, as “changed on disk”, until it reads its units again. Asked only where a unit file of
 * kata-sysext went, because a reload reads every unit of the host; where the reload fails, only that listing stays.
 */
export async function forgetUnits(host: HostView, { steps }: Intent, { result }: Outcome): Promise<void> {
  const went = steps.some(
    (step) => step.kind === 'file' && ourUnit.test(step.path) && (result === 'done' ? step.after : step.before) === 'absent',
  );
  if (!went || !host.live) return;
  const systemd = await host.systemd().catch(() => undefined);
  await systemd?.daemonReload().catch(() => undefined);
}
