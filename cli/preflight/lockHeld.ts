import { dryRunMark, type LockHolder } from '../host/index.ts';

/** 'install (process 123, since 2026-11-29T15:00:00.000Z)', 'install --dry-run (…)' */
export function holderText({ verb, dryRun, pid, since }: LockHolder): string {
  const more = [...(pid === undefined ? [] : [`process ${pid}`]), ...(since === undefined ? [] : [`since ${since}`])];
  return `${verb ?? 'a change'}${dryRun === true ? ` ${dryRunMark}` : ''}${more.length === 0 ? '' : ` (${more.join(', ')})`}`;
}
