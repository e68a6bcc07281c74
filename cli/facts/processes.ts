import { posix } from 'node:path';
import type { HostPath, HostView } from '../host/index.ts';

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

/**
 * A daemon that root runs; undefined when the process is another user's, is gone or has no executable (a kernel thread). Another user's is no
 * engine of the host: its words are not read, and its program is not run as root.
 */
export async function readDaemon(host: HostView, pid: number): Promise<Daemon | undefined> {
  if (!(await isRoots(host, String(pid)))) return undefined;
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

/**
 * The child of a process that root runs and that runs `program` (an absolute path, or a base name): the youngest where there are several.
 * undefined where there is none.
 */
export async function childOf(host: HostView, parent: number, program: string): Promise<Daemon | undefined> {
  const wanted = (binary: HostPath) => (program.startsWith('/') ? binary : posix.basename(binary)) === program;
  return youngest((await childrenOfRoot(host, parent)).filter(({ binary }) => wanted(binary)));
}

/** The same by the name that the process has (`/proc/PID/comm`): a program of many names is one file. */
export async function childNamed(host: HostView, parent: number, names: readonly string[]): Promise<Daemon | undefined> {
  const named: Daemon[] = [];
  for (const child of await childrenOfRoot(host, parent))
    if (names.includes((await textOf(host, `/proc/${child.pid}/comm`))?.trim() ?? '')) named.push(child);
  return youngest(named);
}

function youngest(found: Daemon[]): Daemon | undefined {
  return found.sort((a, b) => b.startedMs - a.startedMs)[0];
}

async function childrenOfRoot(host: HostView, parent: number): Promise<Daemon[]> {
  const found: Daemon[] = [];
  if (parent <= 0) return found;
  for (const pid of await childrenOf(host, parent)) {
    const child = await readDaemon(host, pid).catch(() => undefined);
    if (child !== undefined) found.push(child);
  }
  return found;
}

/** By the kernel's own list (CONFIG_PROC_CHILDREN), else by every process' parent. Each thread has its own children. */
async function childrenOf(host: HostView, parent: number): Promise<number[]> {
  const threads = await host.readdir(`/proc/${parent}/task`).catch(() => []);
  const lists = await Promise.all(threads.map((thread) => textOf(host, `/proc/${parent}/task/${thread}/children`)));
  if (lists.some((list) => list !== undefined)) return lists.flatMap((list) => (list ?? '').split(' ').filter(Boolean).map(Number));
  const found: number[] = [];
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = (await textOf(host, `/proc/${pid}/stat`)) ?? '';
    if (Number(fieldsOf(stat)[1]) === parent) found.push(Number(pid));
  }
  return found;
}

/** undefined for a process that has ended meanwhile. */
function textOf(host: HostView, path: HostPath): Promise<string | undefined> {
  return host.readText(path).catch(() => undefined);
}

/** Of stat, from the third on. The program's name in the second may hold spaces and parentheses. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Field 22 of stat, counted from boot. */
function startOf(stat: string, uptime: string, now: Date): number {
  const sinceBootMs = (Number(fieldsOf(stat)[19]) / ticksPerSecond) * 1000;
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

/**
 * A process that root runs and that root has started: the caller of a set-uid program chooses its arguments. The arguments of other
 * processes are not read (`/proc/PID/cmdline`): they lie in the process' own memory, and a user can put them where reading never ends (a
 * page of a FUSE file). The owner of /proc/PID does not tell: a process can make root that.
 */
export async function isRoots(host: HostView, pid: string): Promise<boolean> {
  const status = (await host.readText(`/proc/${pid}/status`).catch(() => undefined)) ?? '';
  return /^Uid:\s+0\s+0\s/m.test(status);
}
