import { commandWord, type Finding } from '../../errors/index.ts';
import {
  findExtensions,
  type HostFacts,
  type Mount,
  mergedExtensions,
  mountOf,
  mounts,
  systemdVersion,
  writableAgain,
} from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { extensionName, payloadRoot } from '../../store/index.ts';
import { baseTaken, mountsBelowUsr } from '../belowUsr.ts';
import { isOurMount, mountsOnUsr } from './mount.ts';
import { isOurUnit, service, unitFile, unitFolder } from './paths.ts';
import { wantsTaken } from './steps.ts';
import { tryOverlays } from './trial.ts';

/** What the checks look at. */
export interface Scene {
  host: HostView;
  /** Extensions of others, merged or ready to be. */
  foreign: string[];
  /** On /usr itself, the lowest first. */
  onUsr: Mount[];
  facts?: HostFacts | undefined;
}

export type Check = (scene: Scene) => Finding[] | Promise<Finding[]>;

const usePrefix = 'use backend prefix: --backend prefix';

/** What prevents an overlay on /usr of this host, one check for each reason. */
export const hostChecks: Check[] = [
  programsMissing,
  unitTaken,
  linkTaken,
  foreignExtensions,
  covered,
  nested,
  baseTaken,
  insideUsr,
  readOnlyRoot,
  writableUsr,
  depth,
];

/**
 * Checks before each mount and each unmount: other programs may have mounted something meanwhile. An unmount of the overlay would take the
 * mounts below it along.
 */
export const mountChecks: Check[] = [foreignExtensions, covered, nested];
export const detachChecks: Check[] = [covered, nested];

export async function readScene(host: HostView, facts?: HostFacts): Promise<Scene> {
  return { host, foreign: await foreignNames(host), onUsr: await mountsOnUsr(host), facts };
}

export async function runChecks(checks: Check[], scene: Scene): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const check of checks) found.push(...(await check(scene)));
  return found;
}

export function rootOf({ ostree, selinux }: HostFacts): string {
  return payloadRoot((ostree.known && ostree.value) || (selinux.known && selinux.value.mode !== 'disabled'));
}

/** None where no systemd-sysext is that could merge them. */
async function foreignNames(host: HostView): Promise<string[]> {
  const systemd = await systemdVersion(host);
  if ((await host.stat('/usr/lib/systemd/system/systemd-sysext.service')) === undefined) return [];
  const merged = host.live && (await host.has('systemd-sysext')) ? await mergedExtensions(host) : [];
  const ready = (await findExtensions(host, systemd.known ? systemd.value : 0)).filter(({ kind }) => kind !== 'masked');
  const names = [...merged.flatMap((row) => row.names), ...ready.map(({ name }) => name)];
  return [...new Set(names)].filter((name) => name !== extensionName);
}

function blocker(code: string, subject: string, found: string, needed: string, next: string): Finding[] {
  return [{ code, level: 'blocker', subject, found, needed, next }];
}

async function programsMissing({ host }: Scene): Promise<Finding[]> {
  const missing: string[] = [];
  for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint'])
    if ((await host.stat(`/bin/${name}`)) === undefined && (await host.stat(`/usr/bin/${name}`)) === undefined) missing.push(name);
  if (missing.length === 0) return [];
  return blocker(
    'overlay-missing',
    missing.join(', '),
    `the host has no ${missing.join(', ')}`,
    'these programs, to mount at boot',
    usePrefix,
  );
}

async function unitTaken({ host }: Scene): Promise<Finding[]> {
  for (const folder of [unitFolder, '/run/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system']) {
    const path = `${folder}/${service}`;
    if ((await host.lstat(path)) === undefined) continue;
    const masked = (await host.readlink(path)) === '/dev/null';
    if (path === unitFile && !masked && isOurUnit((await host.readText(path)) ?? '')) continue;
    const found = masked ? `${service} is masked: ${path} points at /dev/null` : `${path} was not made by kata-sysext`;
    return blocker(
      'overlay-unit-taken',
      path,
      found,
      `only kata-sysext’s own ${service}`,
      `move it away if no other program needs it; or ${usePrefix}`,
    );
  }
  return [];
}

async function linkTaken({ host }: Scene): Promise<Finding[]> {
  const taken = await wantsTaken(host);
  return taken === undefined ? [] : [taken.finding()];
}

/**
 * A system extension and the overlay hide each other: one that is merged under the overlay is hidden after its next refresh, and one that is
 * merged over it hides or drops the files of kata-sysext.
 */
function foreignExtensions({ foreign }: Scene): Finding[] {
  if (foreign.length === 0) return [];
  return blocker(
    'overlay-foreign',
    foreign.join(', '),
    `${foreign.join(', ')} ${foreign.length === 1 ? 'is an extension' : 'are extensions'} of others, merged into /usr or ready for it`,
    'no system extensions beside kata-sysext’s overlay',
    `${usePrefix}; or join them: --backend sysext`,
  );
}

/** A mount below another one cannot be taken away. */
function covered({ onUsr }: Scene): Finding[] {
  const ours = onUsr.findIndex(isOurMount);
  const above = ours === -1 ? [] : onUsr.slice(ours + 1).filter((mount) => !isOurMount(mount));
  if (above.length === 0) return [];
  return blocker(
    'overlay-foreign',
    '/usr',
    `${above.map(({ source, type }) => `${source} (${type})`).join(', ')} was mounted on /usr over kata-sysext’s overlay`,
    'kata-sysext’s overlay as the uppermost mount on /usr',
    'findmnt /usr; take that away first: systemctl stop systemd-sysext.service, or umount /usr',
  );
}

async function nested({ host }: Scene): Promise<Finding[]> {
  const points = await mountsBelowUsr(host);
  if (points.length === 0) return [];
  return blocker(
    'overlay-nested-mounts',
    points.join(', '),
    `${points.join(', ')} ${points.length === 1 ? 'is' : 'are'} mounted below /usr: a change of the overlay would hide ${points.length === 1 ? 'it' : 'them'}, or take ${points.length === 1 ? 'it' : 'them'} away`,
    'no mount below /usr',
    `umount ${commandWord(points.at(-1)!)}; or ${usePrefix}`,
  );
}

async function insideUsr({ host, facts }: Scene): Promise<Finding[]> {
  const real = facts === undefined ? '' : await host.realpath(rootOf(facts));
  if (!real.startsWith('/usr/')) return [];
  return blocker('overlay-inside-usr', real, `payloads are kept in ${real}, a part of /usr here`, 'a folder outside of /usr', usePrefix);
}

async function readOnlyRoot({ host, facts }: Scene): Promise<Finding[]> {
  const real = facts === undefined ? '/' : await host.realpath(rootOf(facts));
  const mount = mountOf(await mounts(host), real);
  if (facts === undefined || mount?.options.includes('ro') !== true) return [];
  const next = `mount -o ${writableAgain(mount)} ${commandWord(mount.point)}`;
  return blocker(
    'backend-read-only',
    real,
    `${real} lies on ${mount.point}, which is mounted ro`,
    'a file system that can be written',
    next,
  );
}

/** An immutable host loses nothing. */
async function writableUsr({ host, onUsr, facts }: Scene): Promise<Finding[]> {
  const own =
    onUsr.filter((mount) => !isOurMount(mount)).at(-1) ??
    mountOf(
      (await mounts(host)).filter((mount) => !isOurMount(mount)),
      '/usr',
    );
  if (!host.live || facts === undefined || own?.options.includes('ro') === true) return [];
  return [
    {
      code: 'overlay-usr-read-only',
      level: 'warning',
      subject: '/usr',
      found: '/usr can be written on this host; with the overlay it is read-only until Kata is uninstalled, and package managers fail',
      needed: 'a host whose /usr is read-only anyway',
      next: usePrefix,
    },
  ];
}

/** At a boot too: an OS update may bring a root that is an overlay already. */
async function depth({ host, facts, foreign }: Scene): Promise<Finding[]> {
  if (!host.booted || facts === undefined || process.getuid?.() !== 0 || foreign.length > 0) return [];
  const real = await host.realpath(rootOf(facts));
  if (real.startsWith('/usr/')) return [];
  const why = await tryOverlays(host, real);
  return why === undefined
    ? []
    : blocker('overlay-depth', '/usr', why, 'a /usr on which two more overlays can be stacked', `findmnt -T /usr; ${usePrefix}`);
}
