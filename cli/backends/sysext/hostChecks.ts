import { commandWord, type Finding, systemctl } from '../../errors/index.ts';
import { mountOf, mounts, writableAgain } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { extensionName, payloadRoot } from '../../store/index.ts';
import { baseTaken, mergedPayload } from '../belowUsr.ts';
import { extensionsFolder, isOurs, links, moveAway, service } from './paths.ts';
import type { Scene } from './scene.ts';

export type Check = (scene: Scene) => Finding[] | Promise<Finding[]>;

/**
 * The first version that has systemd-sysext, and the first whose refresh is harmless (docs/facts/systemd.md#system-extensions-by-version).
 */
const firstVersion = 248;
export const harmlessVersion = 257;
export const usePrefix = 'use backend prefix, with a bundle where you gave an image: --backend prefix';

/** What the host itself has against extensions. Each check is a row with a code of its own. */
export const hostChecks: Check[] = [missing, serviceMasked, old, mislabels, nameTaken, baseTaken, insideUsr, readOnlyRoot, depth];

export function blocker(code: string, subject: string, found: string, needed: string, next: string): Finding[] {
  return [{ code, level: 'blocker', subject, found, needed, next }];
}

async function missing({ host, systemd }: Scene): Promise<Finding[]> {
  const there = (await host.stat(`/usr/lib/systemd/system/${service}`)) !== undefined;
  if (there && systemd.known && systemd.value >= firstVersion && (!host.live || (await host.has('systemd-sysext')))) return [];
  const found = !systemd.known
    ? `the version of systemd is not known: ${systemd.why}`
    : there
      ? `systemd ${systemd.value} without the program systemd-sysext`
      : `systemd ${systemd.value} without ${service}`;
  return blocker('sysext-missing', 'systemd-sysext', found, `systemd ${firstVersion} or later with systemd-sysext`, usePrefix);
}

async function serviceMasked({ host, unit }: Scene): Promise<Finding[]> {
  const masked = unit?.loadState === 'masked' || (await host.readlink(`/etc/systemd/system/${service}`)) === '/dev/null';
  return masked
    ? blocker(
        'sysext-service-masked',
        service,
        `${service} is masked`,
        'a service that merges extensions now and at boot',
        systemctl(host, `unmask ${service}`),
      )
    : [];
}

function old({ systemd }: Scene): Finding[] {
  if (!systemd.known || systemd.value >= harmlessVersion) return [];
  const checks = [
    'a merge hides what is mounted below /usr',
    ...(systemd.value < 256 ? ['a failed merge looks like a good one'] : []),
    ...(systemd.value < 254 ? ['each change unmerges everything and merges again'] : []),
  ];
  return blocker(
    'sysext-systemd-old',
    'systemd',
    `systemd ${systemd.value}: ${checks.join('; ')}`,
    `systemd ${harmlessVersion} or later`,
    usePrefix,
  );
}

function mislabels({ systemd, facts }: Scene): Finding[] {
  const enforcing = facts?.selinux.known === true && facts.selinux.value.mode === 'enforcing';
  if (!enforcing || !systemd.known || systemd.value >= harmlessVersion) return [];
  return blocker(
    'sysext-mislabels-usr',
    '/usr',
    `systemd ${systemd.value} under SELinux in enforcing mode: a merge labels /usr itself tmpfs_t`,
    `systemd ${harmlessVersion} or later, or SELinux not enforcing`,
    usePrefix,
  );
}

const names = ['', '.raw', '.sysext.raw', '.raw.v', '.v'].map((end) => `${extensionName}${end}`);

async function nameTaken({ host }: Scene): Promise<Finding[]> {
  const folders = [extensionsFolder, '/run/extensions', '/var/lib/extensions', '/usr/local/lib/extensions', '/usr/lib/extensions'];
  for (const path of folders.flatMap((folder) => names.map((name) => `${folder}/${name}`))) {
    if ((await host.lstat(path)) === undefined || (links.includes(path) && isOurs(await host.readlink(path)))) continue;
    return blocker(
      'sysext-name-taken',
      path,
      `${path} is an extension of the name ${extensionName}, and kata-sysext did not make it`,
      `no other extension of that name`,
      `move it away if no other program needs it: ${moveAway(host, path)}; or ${usePrefix}`,
    );
  }
  return [];
}

async function insideUsr({ host, facts }: Scene): Promise<Finding[]> {
  const real = await host.realpath(rootOf(facts));
  if (!real.startsWith('/usr/')) return [];
  return blocker(
    'sysext-inside-usr',
    real,
    `payloads are kept in ${real}, which is a part of /usr here`,
    'a folder outside of /usr',
    usePrefix,
  );
}

async function readOnlyRoot({ host, facts }: Scene): Promise<Finding[]> {
  const real = await host.realpath(rootOf(facts));
  const mount = mountOf(await mounts(host), real);
  if (mount?.options.includes('ro') !== true) return [];
  return blocker(
    'backend-read-only',
    real,
    `${real} lies on ${mount.point}, which is mounted ro`,
    'a file system that can be written',
    `mount -o ${writableAgain(mount)} ${commandWord(mount.point)}`,
  );
}

export function rootOf(facts: Scene['facts']): string {
  return payloadRoot(
    (facts?.ostree.known === true && facts.ostree.value) || (facts?.selinux.known === true && facts.selinux.value.mode !== 'disabled'),
  );
}

/** A trial in a mount namespace that goes away with its only process. Once something is merged, that is the proof. */
async function depth({ host, merged }: Scene): Promise<Finding[]> {
  if (
    !host.booted ||
    process.getuid?.() !== 0 ||
    merged.some(({ names: all }) => all.length > 0) ||
    (await mergedPayload(host)) !== 'absent'
  )
    return [];
  const refusal = await tryOverlay(host);
  if (refusal === undefined) return [];
  return blocker(
    'sysext-depth',
    '/usr',
    `the kernel refuses an overlay over /usr: ${refusal}`,
    'at most one overlay below /usr',
    `findmnt -T /usr; ${usePrefix}`,
  );
}

/** What mount says goes through a pipe of the shell's: SELinux denies it a look at Node's sockets. */
const trial = 'said=$(mount -t overlay -o ro,lowerdir=/run:/usr kata-sysext-trial /run 2>&1) || { echo "$said" >&2; exit 1; }';

async function tryOverlay(host: HostView): Promise<string | undefined> {
  const { code, stderr } = await host.run('unshare', ['--mount', '--propagation', 'private', '/bin/sh', '-c', trial], {
    timeoutMs: 20_000,
    accept: [0, 1, 2, 4, 8, 16, 32, 64],
  });
  return code === 0 ? undefined : stderr.trim().split('\n').at(-1);
}
