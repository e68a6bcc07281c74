import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';

/** A running daemon as /proc shows it. Times are milliseconds since the epoch. */
export interface Daemon {
  pid: number;
  binary: HostPath;
  /** The file that runs is not the one at this path any more. */
  binaryReplaced: boolean;
  args: string[];
  workingFolder: HostPath;
  startedMs: number;
}

/** Linux counts in hundredths of a second here, whatever its own tick is. */
const ticksPerSecond = 100;

/** undefined when the process is gone or has no executable (a kernel thread). */
export async function readDaemon(host: HostView, pid: number): Promise<Daemon | undefined> {
  const exe = await host.readlink(`/proc/${pid}/exe`);
  const [stat, uptime, cmdline] = await Promise.all(
    [`/proc/${pid}/stat`, '/proc/uptime', `/proc/${pid}/cmdline`].map((path) => host.readText(path)),
  );
  if (exe === undefined || stat === undefined || uptime === undefined || cmdline === undefined) return undefined;
  const deleted = ' (deleted)';
  const binaryReplaced = exe.endsWith(deleted);
  return {
    pid,
    binary: binaryReplaced ? exe.slice(0, -deleted.length) : exe,
    binaryReplaced,
    args: cmdline.split('\0').slice(1, -1),
    workingFolder: (await host.readlink(`/proc/${pid}/cwd`)) ?? '/',
    startedMs: startOf(stat, uptime, host.now()),
  };
}

/** Field 22 of stat, counted from boot. The program's name in field 2 may hold spaces and parentheses. */
function startOf(stat: string, uptime: string, now: Date): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const sinceBootMs = (Number(fields[19]) / ticksPerSecond) * 1000;
  return now.getTime() - Number(uptime.split(' ')[0]) * 1000 + sinceBootMs;
}

/** The value of a flag in any of Go's four spellings; the last one wins. */
export function flagOf(args: readonly string[], names: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const [index, arg] of args.entries()) {
    const match = /^--?(?<name>[^=]+)(?:=(?<value>.*))?$/su.exec(arg)?.groups;
    if (match?.['name'] !== undefined && names.includes(match['name'])) found = match['value'] ?? args[index + 1];
  }
  return found;
}

/** A path of the command line as the daemon sees it. */
export function pathOf(daemon: Daemon, path: string): HostPath {
  return posix.resolve(daemon.workingFolder, path);
}
