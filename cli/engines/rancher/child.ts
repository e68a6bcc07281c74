import { type Daemon, isRoots, readDaemon } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { containerd } from './containerd.ts';

/** More than a unit has processes: its shims stay in its control group. */
const maxProcesses = 4096;

/**
 * The containerd that this process has started: one of root's in the same control group that has the name, started by that very process.
 * undefined while there is none.
 */
export async function childOf(host: HostView, mainPid: number): Promise<Daemon | undefined> {
  for (const pid of await processesBeside(host, mainPid)) {
    if (pid === mainPid) continue;
    const name = await host.readText(`/proc/${pid}/comm`).catch(() => undefined);
    if (!containerd.programs.includes(name?.trim() ?? '') || !(await isRoots(host, String(pid)))) continue;
    const status = (await host.readText(`/proc/${pid}/status`).catch(() => undefined)) ?? '';
    if (new RegExp(`^PPid:\\s+${mainPid}$`, 'm').test(status)) return readDaemon(host, pid);
  }
  return undefined;
}

async function processesBeside(host: HostView, pid: number): Promise<number[]> {
  const groups = (await host.readText(`/proc/${pid}/cgroup`).catch(() => undefined)) ?? '';
  for (const folder of groupFolders(groups)) {
    const listed = await host.readText(`${folder}/cgroup.procs`).catch(() => undefined);
    const pids = (listed ?? '').split('\n').filter((line) => /^\d+$/.test(line));
    if (pids.length > 0) return pids.slice(0, maxProcesses).map(Number);
  }
  return [];
}

/** Of cgroup v2, or of systemd's own hierarchy in v1. */
function groupFolders(groups: string): HostPath[] {
  return groups.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || path.split('/').includes('..')) return [];
    if (controllers === '') return [`/sys/fs/cgroup${path}`, `/sys/fs/cgroup/unified${path}`];
    return controllers === 'name=systemd' ? [`/sys/fs/cgroup/systemd${path}`] : [];
  });
}
