import type { HostView } from '../host/index.ts';

/**
 * A process that root runs and that root has started: the caller of a set-uid program chooses its arguments. The arguments of other
 * processes are not read (`/proc/PID/cmdline`): they lie in the process' own memory, and a user can put them where reading never ends (a
 * page of a FUSE file). The owner of /proc/PID does not tell: a process can make root that.
 */
export async function isRoots(host: HostView, pid: string): Promise<boolean> {
  const status = (await host.readText(`/proc/${pid}/status`).catch(() => undefined)) ?? '';
  return /^Uid:\s+0\s+0\s/m.test(status);
}
