import { KataError } from '../../errors/index.ts';
import { findExtensions, type Merged, mergedExtensions } from '../../facts/index.ts';
import type { Digest, Host, HostPath, HostView } from '../../host/index.ts';
import { logTail } from '../../steps/logTail.ts';
import { extensionName } from '../../store/index.ts';
import type { Systemd, Unit } from '../../systemd/types.ts';
import { mergedPayload, mountsBelowUsr } from '../belowUsr.ts';

/** PID 1 merges the system extensions again. Undone by another refresh, once the link that enables kata-sysext's extension is back. */
export interface RefreshStep {
  kind: 'refresh';
  unit: Unit;
  /** Major version of the host's systemd: what its service can do. */
  systemd: number;
  /** Which payload is merged below /usr. */
  before: Digest | 'absent';
  after: Digest | 'absent';
  /** What others have merged, by hierarchy: must stay. */
  others: Record<HostPath, string[]>;
  /** Extensions of others that are not merged yet and that the user allows this refresh to merge. */
  pending: string[];
  /** Mount points below /usr: must stay. */
  mounts: HostPath[];
  wasActive: boolean;
  /** Stop the service when nothing is left to merge: only kata-sysext had enabled it. */
  stop: boolean;
  deadlineMs: number;
}

/** From this version on the service has a reload that puts all extensions in place in one go; before, only stop and start. */
const reloadSince = 254;

/** What others have merged, by hierarchy. */
export function othersIn(merged: Merged[]): Record<string, string[]> {
  const rows = merged.map(({ hierarchy, names }) => [hierarchy, names.filter((name) => name !== extensionName)] as const);
  return Object.fromEntries(rows.filter(([, names]) => names.length > 0));
}

/** Names of extensions of others that are not merged now, and that a refresh would merge. */
export async function pendingNames(host: HostView, systemd: number, merged: Merged[]): Promise<string[]> {
  const now = new Set(merged.flatMap(({ names }) => names));
  const found = await findExtensions(host, systemd);
  return found.filter(({ kind, name }) => kind !== 'masked' && name !== extensionName && !now.has(name)).map(({ name }) => name);
}

/** What others have must still be what the plan saw: a refresh takes all there is. */
export async function refuseNews(host: HostView, step: RefreshStep): Promise<void> {
  const merged = await mergedExtensions(host);
  const news = (await pendingNames(host, step.systemd, merged)).filter((name) => !step.pending.includes(name));
  if (news.length === 0 && sameOthers(step.others, othersIn(merged))) return;
  const found =
    news.length > 0
      ? `the extension ${news.join(', ')} came since the plan was made`
      : 'another program merged or unmerged extensions since the plan was made';
  throw new KataError('edited-meanwhile', {
    subject: step.unit,
    found,
    needed: 'the extensions that the plan saw',
    next: 'run the command again',
  });
}

/**
 * Lets PID 1 merge again, and checks what is merged afterwards: before systemd 256 the exit status of a failed merge is 0
 * (docs/facts/systemd.md#refresh). `stop`: see `RefreshStep`. Throws `sysext-refresh-failed`.
 */
export async function refresh(host: Host, step: RefreshStep, wanted: Digest | 'absent', stop: boolean): Promise<void> {
  const systemd = await host.systemd();
  if (systemd === undefined) throw failed(step, ['systemd does not answer']);
  const job = await ask(systemd, step);
  const problems = job === 'done' ? [] : [`its job ended as ${job}`];
  problems.push(...(await oursWrong(host, wanted)), ...(await othersWrong(host, step)));
  if (problems.length > 0) throw failed(step, [...problems, ...(await logTail(host, step.unit, /fail|error|invalid|cannot/i))]);
  if (stop) await stopIdle(host, systemd, step);
}

/**
 * Once the link is back: merges what was merged before the change, unless it still is. Throws when the extension of kata-sysext cannot be
 * merged again. Returns the extensions and mounts of others that are lost, which only their owners can restore. What others merged meanwhile
 * stays.
 */
export async function refreshBack(host: Host, step: RefreshStep): Promise<string[]> {
  const systemd = await host.systemd();
  if (systemd === undefined) throw failed(step, ['systemd does not answer']);
  if ((await oursWrong(host, step.before)).length > 0 || (await lost(host, step)).length > 0) {
    const job = await ask(systemd, step);
    const problems = await oursWrong(host, step.before);
    if (problems.length > 0) throw failed(step, [`its job ended as ${job}`, ...problems]);
  }
  await systemd.resetFailed(step.unit).catch(() => undefined);
  if (!step.wasActive) await stopIdle(host, systemd, step);
  return lost(host, step);
}

async function ask(systemd: Systemd, step: RefreshStep): Promise<string> {
  await systemd.resetFailed(step.unit).catch(() => undefined);
  const active = (await systemd.unit(step.unit)).activeState === 'active';
  if (!active) return systemd.start(step.unit, step.deadlineMs);
  return step.systemd >= reloadSince ? systemd.reload(step.unit, step.deadlineMs) : systemd.restart(step.unit, step.deadlineMs);
}

async function oursWrong(host: HostView, wanted: Digest | 'absent'): Promise<string[]> {
  const merged = await mergedExtensions(host);
  const listed = merged.some(({ hierarchy, names }) => hierarchy === '/usr' && names.includes(extensionName));
  if ((await mergedPayload(host)) === wanted && listed === (wanted !== 'absent')) return [];
  return [wanted === 'absent' ? 'kata-sysext’s extension is still merged' : 'the planned payload of kata-sysext is not merged below /usr'];
}

async function othersWrong(host: HostView, step: RefreshStep): Promise<string[]> {
  const came = sameOthers(step.others, othersIn(await mergedExtensions(host)), step.pending)
    ? []
    : ['the extensions of others are not those that were merged before'];
  return [...came, ...(await lost(host, step))];
}

/** What others had and have no more. */
async function lost(host: HostView, step: RefreshStep): Promise<string[]> {
  const now = othersIn(await mergedExtensions(host));
  const points = await mountsBelowUsr(host);
  const names = Object.entries(step.others).flatMap(([hierarchy, was]) =>
    was
      .filter((name) => now[hierarchy]?.includes(name) !== true)
      .map((name) => `the extension ${name} is not merged into ${hierarchy} any more`),
  );
  return [...names, ...step.mounts.filter((point) => !points.includes(point)).map((point) => `the mount ${point} is gone`)];
}

/** Whether nothing of the others is lost and nothing came but what the user allowed. */
function sameOthers(before: Record<string, string[]>, now: Record<string, string[]>, allowed: string[] = []): boolean {
  const hierarchies = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...hierarchies].every((hierarchy) => {
    const [was, is] = [before[hierarchy] ?? [], now[hierarchy] ?? []];
    return was.every((name) => is.includes(name)) && is.every((name) => was.includes(name) || allowed.includes(name));
  });
}

async function stopIdle(host: HostView, systemd: Systemd, step: RefreshStep): Promise<void> {
  const merged = await mergedExtensions(host);
  const { activeState, requiredBy, boundBy } = await systemd.unit(step.unit);
  // Its stop unmerges whatever is merged, and takes down what requires it.
  if (activeState !== 'active' || merged.some(({ names }) => names.length > 0) || requiredBy.length + boundBy.length > 0) return;
  await systemd.stop(step.unit, step.deadlineMs);
}

function failed(step: RefreshStep, problems: string[]): KataError {
  return new KataError('sysext-refresh-failed', {
    subject: step.unit,
    found: `after the refresh of system extensions: ${problems.join('; ')}`,
    needed: 'kata-sysext’s extension merged as planned, and those of others as before',
    next: `journalctl -u ${step.unit} -n 50; systemd-sysext status`,
  });
}
