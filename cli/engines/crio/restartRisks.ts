import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import type { UnitState } from '../../systemd/types.ts';
import { restartRisksOfUnit } from '../common/restartRisks.ts';
import type { Instance } from '../types.ts';

/**
 * CRI-O's own unit has systemd's default, KillMode=control-group, and a restart spares OCI containers all the same: every conmon is moved to
 * a scope of its own (1.36.3, cgmgr.MoveConmonToCgroup). A shim of type vm is not moved by CRI-O; where it lives is Kata's choice. So what is
 * really in the unit's group decides.
 */
export async function restartRisksOfCrio(host: HostView, instance: Instance, state: UnitState): Promise<Finding[]> {
  const [risk] = restartRisksOfUnit(state);
  if (risk === undefined) return [];
  const group = instance.process && (await groupOf(host, instance.process.pid));
  if (group === undefined) return [risk];
  const others = await processesIn(host, group, instance.process!.pid);
  if (others.length === 0) return [];
  const found = `${state.unit} has KillMode=${state.killMode || 'control-group'}, and ${others.slice(0, 5).join(', ')} ${others.length === 1 ? 'is' : 'are'} in its control group: a restart would kill ${others.length === 1 ? 'it' : 'them'}.`;
  return [{ ...risk, found, needed: 'KillMode=process, or nothing but the daemon in its control group.' }];
}

/** systemd's own tree: the only one of version 2, or the named one of version 1. The root group tells nothing. */
async function groupOf(host: HostView, pid: number): Promise<string | undefined> {
  const lines = ((await host.readText(`/proc/${pid}/cgroup`).catch(() => undefined)) ?? '').split('\n');
  const line = lines.find((one) => one.startsWith('0::/') && one !== '0::/') ?? lines.find((one) => /^\d+:name=systemd:\/./.test(one));
  return line;
}

async function processesIn(host: HostView, group: string, daemon: number): Promise<string[]> {
  const found: string[] = [];
  for (const name of await host.readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === daemon) continue;
    // A process that ends meanwhile is no risk: ESRCH.
    const lines = ((await host.readText(`/proc/${name}/cgroup`).catch(() => undefined)) ?? '').split('\n');
    if (!lines.some((line) => line === group || line.startsWith(`${group}/`))) continue;
    const command = await host.readText(`/proc/${name}/comm`).catch(() => undefined);
    if (command !== undefined) found.push(`${command.trim()} (${name})`);
  }
  return found;
}
