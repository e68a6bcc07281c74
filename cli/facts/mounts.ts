import { realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { type HostView, readRegular } from '../host/index.ts';
import { isContainer } from './boot.ts';
import { type EtcState, type Fact, known, unknown } from './types.ts';

export interface Mount {
  id: string;
  /** The mount that this one lies on. */
  parent: string;
  point: string;
  type: string;
  source: string;
  options: string[];
  superOptions: string;
}

/** The mounts of a process's namespace (default: the one of this process) in order (proc(5), mountinfo); empty offline. */
export async function mounts(host: HostView, pid: number | 'self' = 'self'): Promise<Mount[]> {
  return host.booted ? parsed((await host.readText(`/proc/${pid}/mountinfo`)) ?? '') : [];
}

function parsed(table: string): Mount[] {
  return table
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

/**
 * The mount that holds `path` as this machine names it, of an offline tree too: two mounts can have the same device, so that only their table
 * tells them apart. undefined where there is no table.
 */
export async function machineMountOf(host: HostView, path: string): Promise<Mount | undefined> {
  return mountOf(await machineTable(host), await machinePath(host, path));
}

/** Mounts on `path` and below it, the first one first, by paths as this machine names them; of an offline tree too. */
export async function mountsWithin(host: HostView, path: string): Promise<Mount[]> {
  const inside = await host.resolve(path);
  const real = host.booted ? inside : posix.join(await realpath(host.root), inside);
  return (await machineTable(host)).filter(({ point }) => point === real || point.startsWith(`${real}/`));
}

/** Of this machine, whose mounts an offline tree is seen through. */
async function machineTable(host: HostView): Promise<Mount[]> {
  if (host.booted) return mounts(host);
  return parsed((await readRegular('/proc/self/mountinfo', 'state', { follow: true }).catch(() => '')).toString());
}

async function machinePath(host: HostView, path: string): Promise<string> {
  return host.booted ? path : realpath(posix.join(host.root, path));
}

/**
 * The file system and the mount of each folder, as texts to compare: a file can be renamed between folders with the same one alone
 * (rename(2), EXDEV). Two mounts of one file system differ, and so do two subvolumes in one mount. A folder that is not there yet counts as
 * the nearest one above it.
 */
export async function renameScopes(host: HostView, folders: readonly string[]): Promise<string[]> {
  const table = await machineTable(host);
  return Promise.all(
    folders.map(async (folder) => {
      for (let at = await host.realpath(folder); ; at = posix.dirname(at)) {
        const stat = await host.stat(at);
        if (stat === undefined && at !== '/') continue;
        return `${stat?.device} ${mountOf(table, await machinePath(host, at))?.id}`;
      }
    }),
  );
}

/** Whether something is mounted on this very path. */
export async function isMountPoint(host: HostView, path: string): Promise<boolean> {
  if ((await host.lstat(path)) === undefined) return false;
  const at = await machinePath(host, path);
  return (await machineTable(host)).some(({ point }) => point === at);
}

/** What `mount -o` needs to make it writable: a remount of all of the file system changes nothing where only this mount is read-only (mount(8)). */
export function writableAgain({ options, superOptions }: Mount): string {
  const onlyHere = options.includes('ro') && !superOptions.split(',').includes('ro');
  return onlyHere ? 'remount,bind,rw' : 'remount,rw';
}

/** The mount that holds `path`: the longest mount point above it, the last one when several lie on top of each other. */
export function mountOf(all: Mount[], path: string): Mount | undefined {
  const over = all.filter(({ point }) => point === '/' || path === point || path.startsWith(`${point}/`));
  return over.reduce<Mount | undefined>(
    (best, each) => (best === undefined || each.point.length >= best.point.length ? each : best),
    undefined,
  );
}

/** Whether a file written to /etc survives a boot: not on a read-only mount, and not on one that each boot makes new. */
export async function etcState(host: HostView): Promise<Fact<EtcState>> {
  const etc = await host.stat('/etc');
  if (etc?.kind !== 'directory') return unknown('/etc is not a folder');
  const writable = await host.canWrite('/etc');
  if (!host.booted) return known({ writable, transient: false }, 'an offline tree');
  const mount = mountOf(await mounts(host), '/etc');
  if (mount === undefined) return unknown('/proc/self/mountinfo does not name a mount for /etc');
  const transient = (await volatileMount(host, '/etc')) !== undefined;
  return known({ writable: writable && !mount.options.includes('ro'), transient }, '/proc/self/mountinfo');
}

/**
 * The mount that each boot makes new, with all that is written to `folder`, be it the folder's own or all of the root (systemd.volatile=,
 * live systems): its point. Undefined where what is written stays. The root of a container is its engine's to keep.
 */
export async function volatileMount(host: HostView, folder: string): Promise<string | undefined> {
  const all = await mounts(host);
  const mount = mountOf(all, folder);
  if (mount === undefined || !isVolatile(all, mount)) return undefined;
  return mount.point !== '/' || !(await isContainer(host)) ? mount.point : undefined;
}

/**
 * In memory, or an overlay whose upper folder is. That may be a path of the initrd; what is below /run there is in memory as well. Those of
 * composefs-rs have a name instead of a path (bootc, crates/initramfs).
 */
function isVolatile(all: Mount[], mount: Mount): boolean {
  const inMemory = ({ type }: Mount) => ['tmpfs', 'ramfs', 'rootfs'].includes(type);
  if (inMemory(mount)) return true;
  const upper = /(?:^|,)upperdir=([^,]+)/.exec(mount.superOptions)?.[1];
  if (mount.type !== 'overlay' || upper === undefined) return false;
  const below = mountOf(all, upper);
  return mount.source === 'transient' || upper.startsWith('/run/') || (below !== undefined && inMemory(below));
}

function parseLine(line: string): Mount {
  const fields = line.split(' ');
  const dash = fields.indexOf('-');
  const text = (field: string | undefined) =>
    (field ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return {
    id: fields[0] ?? '',
    parent: fields[1] ?? '',
    point: text(fields[4]),
    options: text(fields[5]).split(','),
    type: text(fields[dash + 1]),
    source: text(fields[dash + 2]),
    superOptions: text(fields[dash + 3]),
  };
}
