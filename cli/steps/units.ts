import type { Effect } from '../engines/types.ts';
import { KataError } from '../errors/index.ts';
import { childOf } from '../facts/processes.ts';
import type { HostPath, HostView } from '../host/index.ts';
import type { Systemd, Unit, UnitState } from '../systemd/types.ts';
import type { RestartStep } from './types.ts';

/** The part of an engine's instance that a restart needs. */
interface Running {
  unit: Unit;
  effect?: Effect | undefined;
  /** Where the daemon of this engine answers. */
  engine?: string;
  socket?: HostPath | undefined;
}

/** How long a daemon may take to read its files, once it was asked to. */
const readMs = 30_000;

const marginMs = 10_000;
/** k0s waits 3 s after the last change and 5 s before it starts its containerd again (docs/facts/k0s.md#a-change-of-the-folder). */
const itselfMs = 120_000;
const pauseMs = 250;
/** The start of a process is counted in hundredths of a second, file times in jiffies. */
const toleranceMs = 100;
/** A unit without a timeout gets this long: the unit asks to wait without end, but kata-sysext must end one day. */
const patienceMs = 600_000;

/** Active units of any type that a restart of `unit` takes down or could leave down, also through others. */
export async function dependentsOf(host: HostView, unit: Unit): Promise<Unit[]> {
  const systemd = await host.systemd();
  if (systemd === undefined) return [];
  const active = new Set(await systemd.activeUnits());
  return await reachedFrom(systemd, unit, async (name) => active.has(name));
}

/**
 * Units that the failure of `unit` at boot kept down, also through others: they depend on it, are not active, and something that is active
 * asks for them. systemd does not try them again once `unit` runs.
 */
export async function keptDownBy(host: HostView, unit: Unit): Promise<Unit[]> {
  const systemd = await host.systemd();
  if (systemd === undefined) return [];
  const active = new Set(await systemd.activeUnits());
  const found = new Set<Unit>();
  return await reachedFrom(systemd, unit, async (name) => {
    const { wantedBy, requiredBy } = await systemd.unit(name);
    const asked = [...wantedBy, ...requiredBy].some((each) => each !== unit && (active.has(each) || found.has(each)));
    if (active.has(name) || !asked) return false;
    found.add(name);
    return true;
  });
}

/** Units that stop with `unit` and pass the test, and those that stop with these. */
async function reachedFrom(systemd: Systemd, unit: Unit, passes: (name: Unit) => Promise<boolean>): Promise<Unit[]> {
  const found = new Set<Unit>();
  const pending = [unit];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { requiredBy, boundBy, consistsOf, requisiteOf, propagatesStopTo } = await systemd.unit(next);
    for (const name of [...requiredBy, ...boundBy, ...consistsOf, ...requisiteOf, ...propagatesStopTo]) {
      if (name === unit || found.has(name) || !(await passes(name))) continue;
      found.add(name);
      pending.push(name);
    }
  }
  return [...found].sort();
}

/** The step that makes this engine read changed files. A unit that is asked in place of the engine's own takes its dependents down, too. */
export async function restartOf(host: HostView, systemd: Systemd, instance: Running, dependents?: Unit[]): Promise<RestartStep> {
  const { unit, effect, engine, socket } = instance;
  if (effect?.by === 'itself') {
    const { program, watches } = effect;
    return { kind: 'restart', unit, by: 'itself', asked: unit, itself: { program, watches }, dependents: [], deadlineMs: itselfMs };
  }
  const by = effect?.by ?? 'restart';
  const asked = effect?.by === 'restart' ? effect.unit : unit;
  const waits = await Promise.all([...new Set([asked, unit])].map(async (name) => restartDeadlineMs(await systemd.unit(name))));
  const found = dependents ?? (await Promise.all([...new Set([asked, unit])].map((name) => dependentsOf(host, name)))).flat();
  const names = [...new Set(found)].filter((name) => name !== unit && name !== asked).sort();
  const awaits = by === 'reload' && engine !== undefined && socket !== undefined ? { awaits: { engine, socket } } : {};
  return { kind: 'restart', unit, by, asked, dependents: names, deadlineMs: waits.reduce((sum, each) => sum + each), ...awaits };
}

/** The unit's own timeouts plus a margin. */
export function restartDeadlineMs(state: UnitState): number {
  return finite(state.timeoutStopMs) + finite(state.timeoutStartMs) + marginMs;
}

/**
 * Makes the engine read its files, by the means that the step names, and starts the engine and each recorded dependent that is not active. A
 * start limit is reset first: without it a second try is refused, and a unit that requires the engine stays down until it is started itself
 * (docs/facts/systemd.md#start-limits).
 */
export async function bringUp(host: HostView, step: RestartStep): Promise<{ problems: string[] }> {
  const systemd = await host.systemd();
  if (systemd === undefined) throw unreachable(step.unit);
  if (step.itself !== undefined) return { problems: await waitForItself(host, systemd, step, step.itself) };
  const problems: string[] = [];
  const { by, asked, deadlineMs } = step;
  await systemd.resetFailed(asked);
  const { invocationId } = await systemd.unit(step.unit);
  // What does not run cannot be reloaded, and reads its files when it starts.
  const reloads = by === 'reload' && runs((await systemd.unit(asked)).activeState);
  const sinceMs = step.awaits === undefined ? 0 : host.now().getTime();
  const result = await (reloads ? systemd.reload(asked, deadlineMs) : systemd.restart(asked, deadlineMs));
  if (result !== 'done') problems.push(`the ${by} of ${asked} ended as ${result}`);
  else if (reloads && step.awaits !== undefined) problems.push(...(await unread(host, step.awaits, sinceMs)));
  else if (asked !== step.unit) problems.push(...(await restartIfOlder(systemd, step, invocationId)));
  const brought = asked === step.unit ? [] : [step.unit];
  for (const unit of [...brought, ...step.dependents]) {
    const problem = await startAgain(systemd, unit).catch((error: unknown) => `the start of ${unit} failed: ${String(error)}`);
    if (problem !== undefined) problems.push(problem);
  }
  return { problems };
}

/** Loaded here: `status` reads the journal too and must not pay for engines. */
async function unread(host: HostView, { engine, socket }: NonNullable<RestartStep['awaits']>, sinceMs: number): Promise<string[]> {
  const { engineNamed } = await import('../engines/index.ts');
  const why = await engineNamed(engine)?.daemon?.awaitReload?.(host, socket, sinceMs, readMs);
  return why === undefined ? [] : [why];
}

/** Units that a step restarted, for a result and the history. */
export function restartedBy({ by, unit }: RestartStep): Unit[] {
  return by === 'restart' ? [unit] : [];
}

/**
 * Waits until the child of the unit is younger than the last change in the folder that its parent watches. A unit that does not run is started:
 * it reads its files then.
 */
async function waitForItself(
  host: HostView,
  systemd: Systemd,
  { unit, deadlineMs }: RestartStep,
  { program, watches }: NonNullable<RestartStep['itself']>,
): Promise<string[]> {
  const until = performance.now() + deadlineMs;
  const changedMs = await lastChange(host, watches);
  for (;;) {
    const { activeState, mainPid } = await systemd.unit(unit);
    if (['inactive', 'failed'].includes(activeState)) {
      const problem = await startAgain(systemd, unit);
      if (problem !== undefined) return [problem];
    }
    const child = await childOf(host, mainPid, program);
    if (child !== undefined && child.startedMs > changedMs + toleranceMs) return [];
    if (performance.now() > until) return [`${unit} has not restarted ${program} within ${Math.round(deadlineMs / 1000)} s`];
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * Of a folder and of what is in it; 0 where there is none, because then nothing is watched. An undo gives files the time of modification that
 * they had, while who watches the folder has seen it. A time to come is of a clock that was wrong once: this change came before now.
 */
async function lastChange(host: HostView, folder: HostPath): Promise<number> {
  const paths = [folder, ...(await host.readdir(folder)).map((name) => `${folder}/${name}`)];
  const times = await Promise.all(paths.map(async (path) => (await host.lstat(path))?.changedMs ?? 0));
  const nowMs = host.now().getTime();
  return Math.max(0, ...times.filter((time) => time <= nowMs + toleranceMs));
}

/** nodeadm before v20260520 starts its engine and does not restart it: one that kept its process has not read the new file. */
async function restartIfOlder(systemd: Systemd, { unit, deadlineMs }: RestartStep, before: string): Promise<string[]> {
  const { activeState, invocationId } = await systemd.unit(unit);
  if (activeState !== 'active' || invocationId !== before) return [];
  const result = await systemd.restart(unit, deadlineMs);
  return result === 'done' ? [] : [`the restart of ${unit} ended as ${result}`];
}

/** Thrown, not told as a problem of the unit: once systemd answers, another try can help. */
function unreachable(unit: Unit): KataError {
  return new KataError('failed', {
    subject: unit,
    found: 'systemd does not answer, neither on the message bus nor at its own socket',
    needed: `systemd, to restart ${unit}`,
    next: 'systemctl status; then kata-sysext recover',
  });
}

async function startAgain(systemd: Systemd, unit: Unit): Promise<string | undefined> {
  const state = await systemd.unit(unit);
  if (runs(state.activeState)) return undefined;
  await systemd.resetFailed(unit);
  const started = await systemd.start(unit, finite(state.timeoutStartMs) + marginMs);
  return started === 'done' ? undefined : `the start of ${unit} ended as ${started}`;
}

/** A reload by another program is not over yet, and the daemon runs all the same. */
function runs(activeState: string): boolean {
  return activeState === 'active' || activeState === 'reloading';
}

/** 0 (units without such a timeout) and "infinity" are no deadlines. */
function finite(ms: number): number {
  return ms > 0 && ms < patienceMs ? ms : patienceMs;
}
