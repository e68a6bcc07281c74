import { KataError } from '../errors/index.ts';
import { type Mount, mounts } from '../facts/index.ts';
import type { Digest, Host, HostPath, HostView } from '../host/index.ts';
import type { Systemd } from '../systemd/types.ts';
import { logTail } from './logTail.ts';
import { mergedPayload } from './refresh.ts';
import type { MountStep } from './types.ts';

/** By this source, and as an overlay, our mount is known: units/kata-sysext-overlay.service names it. */
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

/** Which payload our overlay shows below /usr; 'absent' where the uppermost mount there is none of ours. */
export async function overlaidPayload(host: HostView): Promise<Digest | 'absent'> {
  const top = (await mountsOnUsr(host)).at(-1);
  return top !== undefined && isOurMount(top) ? mergedPayload(host) : 'absent';
}

/**
 * Turns the link and lets PID 1 mount what it points at, after its unit took the earlier mount away; then judges by what is there. The mount
 * is never ours to make: the context of whoever mounts sticks to it (docs/facts/selinux.md#the-context-of-the-mounter). Throws
 * `overlay-mount-failed`.
 */
export async function mountAt(host: Host, step: MountStep, target: HostPath | 'absent'): Promise<void> {
  // The boot guard comes before our unit.
  if (!host.live) return turn(host, step, target);
  const systemd = await host.systemd();
  if (systemd === undefined) throw failed(step, ['systemd does not answer']);
  if (!(await isUp(systemd))) return turn(host, step, target);
  const job = target === 'absent' ? await takeAway(host, systemd, step) : await put(host, systemd, step, target);
  const problems = job === 'done' ? [] : [`its job ended as ${job}`];
  const [now, wanted] = [await overlaidPayload(host), payloadAt(target)];
  if (now !== wanted) problems.push(now === 'absent' ? 'nothing of ours is on top of /usr' : `${now} is mounted, not ${wanted}`);
  const count = (await mountsOnUsr(host)).filter(isOurMount).length;
  if (count > (wanted === 'absent' ? 0 : 1)) problems.push(`our overlay is mounted ${count === 1 ? 'still' : `${count} times`}`);
  if (problems.length > 0) throw failed(step, [...problems, ...(await logTail(host, step.unit, /^u?mount: |overlay|condition/i))]);
  if (target === 'absent') await turn(host, step, target);
}

/** Early in a boot PID 1 has the start of our unit before it, and would let a restart wait for whoever asks for one: the link is enough. */
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
    needed: 'our overlay on /usr as planned, once, with nothing on top of it',
    next: `journalctl -u ${step.unit} -n 50; findmnt /usr`,
  });
}
