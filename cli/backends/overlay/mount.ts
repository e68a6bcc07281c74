import { KataError } from '../../errors/index.ts';
import { type Mount, mounts } from '../../facts/index.ts';
import type { Digest, Host, HostPath, HostView } from '../../host/index.ts';
import { logTail } from '../../steps/logTail.ts';
import type { Systemd, Unit } from '../../systemd/types.ts';
import { mergedPayload } from '../belowUsr.ts';

/** PID 1 mounts what the link at `path` points at over /usr, or unmounts it, through the unit that mounts it at every boot. */
export interface MountStep {
  kind: 'mount';
  unit: Unit;
  path: HostPath;
  /** Where the link points: the folder `usr` of a payload. */
  before: HostPath | 'absent';
  after: HostPath | 'absent';
  /** Which payload was mounted when the plan was made. */
  shown: Digest | 'absent';
  /** The files of the payload are put in place by this change: an earlier mount shows those that stepped aside. */
  again: boolean;
  deadlineMs: number;
}

/** The source of kata-sysext's overlay in mountinfo, which tells it from other overlays. units/kata-sysext-overlay.service sets it. */
export const overlaySource = 'kata-sysext';

export function isOurMount({ type, source, point }: Mount): boolean {
  return point === '/usr' && type === 'overlay' && source === overlaySource;
}

/** What is mounted on /usr itself as PID 1 has it, the lowest first. */
export async function mountsOnUsr(host: HostView): Promise<Mount[]> {
  // Only root may look into PID 1's table.
  const all = (await mounts(host, process.getuid?.() === 0 ? 1 : 'self')).filter(({ point }) => point === '/usr');
  const ids = new Set(all.map(({ id }) => id));
  // Their order in the table is not always that in which they lie on each other.
  const sorted = all.filter(({ parent }) => !ids.has(parent));
  for (let count = sorted.length; count < all.length; count++) {
    const under = sorted.at(-1)?.id;
    sorted.push(...all.filter(({ parent }) => parent === under));
  }
  return sorted;
}

/** The payload that kata-sysext's overlay shows below /usr; 'absent' when the uppermost mount on /usr is another one. */
export async function overlaidPayload(host: HostView): Promise<Digest | 'absent'> {
  const top = (await mountsOnUsr(host)).at(-1);
  return top !== undefined && isOurMount(top) ? mergedPayload(host) : 'absent';
}

/**
 * Turns the link and lets PID 1 restart the unit, which replaces the earlier mount; then compares the mount table with the plan. kata-sysext
 * never mounts by itself: a mount keeps the SELinux context of the program that made it
 * (docs/facts/selinux.md#the-context-of-the-mounter). Throws `overlay-mount-failed`.
 */
export async function mountAt(host: Host, step: MountStep, target: HostPath | 'absent'): Promise<void> {
  // The boot guard runs before the unit, which then mounts what the link points at.
  if (!host.live) return turn(host, step, target);
  const systemd = await host.systemd();
  if (systemd === undefined) throw failed(step, ['systemd does not answer']);
  if (!(await isUp(systemd))) return turn(host, step, target);
  const job = target === 'absent' ? await takeAway(host, systemd, step) : await put(host, systemd, step, target);
  const problems = job === 'done' ? [] : [`its job ended as ${job}`];
  const [now, wanted] = [await overlaidPayload(host), payloadAt(target)];
  if (now !== wanted) problems.push(now === 'absent' ? 'no payload of kata-sysext is on top of /usr' : `${now} is mounted, not ${wanted}`);
  const count = (await mountsOnUsr(host)).filter(isOurMount).length;
  if (count > (wanted === 'absent' ? 0 : 1))
    problems.push(`kata-sysext’s overlay is ${count === 1 ? 'still mounted' : `mounted ${count} times`}`);
  if (problems.length > 0) throw failed(step, [...problems, ...(await logTail(host, step.unit, /^u?mount: |overlay|condition/i))]);
  if (target === 'absent') await turn(host, step, target);
}

/**
 * Early in a boot PID 1 has yet to start the unit: a restart would wait for the very unit that requests it. The link is enough, because the
 * start mounts what it points at.
 */
async function isUp(systemd: Systemd): Promise<boolean> {
  return (await systemd.unit('sysinit.target')).activeState === 'active';
}

async function turn(host: Host, step: MountStep, target: HostPath | 'absent'): Promise<void> {
  if (target === 'absent') return host.unlink(step.path);
  if ((await host.readlink(step.path)) === target) return;
  await host.symlink(step.path, target);
  await host.relabel([step.path]);
}

/** The folder of a payload is named by its digest. */
function payloadAt(target: HostPath | 'absent'): Digest | 'absent' {
  const hex = /\/tree\/([0-9a-f]{64})\/usr$/.exec(target)?.[1];
  return hex === undefined ? 'absent' : `sha256:${hex}`;
}

async function put(host: Host, systemd: Systemd, step: MountStep, target: HostPath): Promise<string> {
  await turn(host, step, target);
  await host.failpoint('step/mount/turned');
  await knowUnit(systemd, step);
  await systemd.resetFailed(step.unit).catch(() => undefined);
  return systemd.restart(step.unit, step.deadlineMs);
}

/** A unit that does not run is started first, by which it finds a mount of its own that was left behind. */
async function takeAway(host: Host, systemd: Systemd, step: MountStep): Promise<string> {
  if ((await overlaidPayload(host)) !== 'absent' && (await systemd.unit(step.unit)).activeState !== 'active') {
    await knowUnit(systemd, step);
    await systemd.restart(step.unit, step.deadlineMs);
  }
  const job = await systemd.stop(step.unit, step.deadlineMs);
  await systemd.resetFailed(step.unit).catch(() => undefined);
  await host.failpoint('step/mount/taken');
  return job;
}

/** Only where PID 1 does not know the unit as it is: a reload makes it read edits of others too. */
async function knowUnit(systemd: Systemd, step: MountStep): Promise<void> {
  const { loadState, needDaemonReload } = await systemd.unit(step.unit);
  if (loadState !== 'loaded' || needDaemonReload) await systemd.daemonReload();
}

function failed(step: MountStep, problems: string[]): KataError {
  return new KataError('overlay-mount-failed', {
    subject: step.unit,
    found: `${step.unit}: ${problems.join('; ')}`,
    needed: 'kata-sysext’s overlay mounted once on /usr as planned, with nothing on top of it',
    next: `journalctl -u ${step.unit} -n 50; findmnt /usr`,
  });
}
