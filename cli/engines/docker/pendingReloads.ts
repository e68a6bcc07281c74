import { commandWord, type Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { newerThan } from '../common/pendingRestarts.ts';
import type { Instance } from '../types.ts';

/**
 * See `EngineDaemon.pendingRestarts`. A reload applies the file alone, so neither the binary nor the unit counts. systemd notes a reload that
 * it was asked for; one by a signal of another program does not show, and the file then counts as unread.
 */
export async function pendingReloads(host: HostView, { engine, configPath, unit, process }: Instance): Promise<Finding[]> {
  const stat = await host.stat(configPath);
  if (process === undefined || stat === undefined) return [];
  const state = unit === undefined ? undefined : await (await host.systemd())?.unit(unit);
  const readMs = Math.max(process.startedMs, state?.stateChangeMs ?? 0);
  if (!newerThan(host, readMs)(stat)) return [];
  return [
    {
      code: 'engine-pending-edits',
      level: 'blocker',
      subject: configPath,
      found: `${configPath} was changed at ${new Date(stat.modifiedMs).toISOString()}, after ${engine} read it.`,
      needed: 'A daemon that has read everything, so that a reload applies only the change of kata-sysext.',
      next: `Reload it first: systemctl reload ${commandWord(unit ?? engine)}; or accept the change with --allow engine-pending-edits.`,
    },
  ];
}
