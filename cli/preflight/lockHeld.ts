import { KataError } from '../errors/index.ts';
import { dryRunMark, type HostView, type LockHolder, lockHolder } from '../host/index.ts';
import { lockFile } from '../store/index.ts';

/** 'install (process 123, since 2026-11-29T15:00:00.000Z)', 'install --dry-run (…)' */
export function holderText({ verb, dryRun, pid, since }: LockHolder): string {
  const more = [...(pid === undefined ? [] : [`process ${pid}`]), ...(since === undefined ? [] : [`since ${since}`])];
  return `${verb ?? 'a change'}${dryRun === true ? ` ${dryRunMark}` : ''}${more.length === 0 ? '' : ` (${more.join(', ')})`}`;
}

/** For verbs that look at interrupted changes: a change that still runs is not one. Throws `lock-held`. */
export async function refuseRunning(host: HostView): Promise<void> {
  const holder = await lockHolder(host, lockFile);
  if (holder === undefined) return;
  throw new KataError('lock-held', {
    subject: String(holder.pid ?? ''),
    found: `${holderText(holder)} is running`,
    needed: 'one change at a time',
    next: holder.pid === undefined ? 'kata-sysext status' : `wait until it has ended: ps -fp ${holder.pid}`,
  });
}
