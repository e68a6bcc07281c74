import { setTimeout as sleep } from 'node:timers/promises';
import { connectSystemd, type Unit } from '../systemd/index.ts';

const patienceMs = 10_000;

/**
 * Whether this unit is active on the running machine. For programs that a boot waits for: only PID 1's own socket is asked, and one that does
 * not answer within 10 s counts as no.
 */
export async function isTargetActive(unit: Unit): Promise<boolean> {
  const done = new AbortController();
  const late = sleep(patienceMs, false, { signal: done.signal }).catch(() => false);
  try {
    return await Promise.race([ask(unit), late]);
  } catch {
    return false;
  } finally {
    done.abort();
  }
}

async function ask(unit: Unit): Promise<boolean> {
  const systemd = await connectSystemd({}, { bus: false });
  if (systemd === undefined) return false;
  try {
    return (await systemd.unit(unit)).activeState === 'active';
  } finally {
    systemd.close();
  }
}
