import { backendOf } from '../backends/index.ts';
import { type Engine, type EngineState, type Instance, probeTimeouts, type Sandbox, servingPid } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import { type Digest, digestOf, type HostView, stopIfAsked } from '../host/index.ts';
import type { Emit } from '../output/events.ts';
import { installedPolicyFindings } from '../selinux/index.ts';
import { type GenerationHandler, type GenerationManifest, isIntact, namesOf, payloadOf, pointer } from '../store/index.ts';
import type { Systemd, Unit } from '../systemd/types.ts';
import type { Gate } from '../transaction/index.ts';
import { asGateFailure, labelsAreOn, onlyOwnHandlersDiffer } from './effective.ts';
import { logTail } from './evidence.ts';
import { labelsInPlace } from './labels.ts';
import type { GateRequest } from './types.ts';

const criDeadlineMs = 60_000;
/** containerd whose CRI plugin failed to load says so at once and for good; some seconds are left for a slow start. */
const missingPluginMs = 8_000;
/** A daemon that dies of its new configuration often does so after some seconds. */
const steadyMs = 8_000;
const pauseMs = 250;

/** The gate of a live change: engine and handlers are proven before the commit. */
export function liveGate(host: HostView, given: GateRequest): Gate {
  const { reads = given.instance.configPath } = given;
  const request = { ...given, instance: { ...given.instance, configPath: reads } };
  return {
    beforeRestart: async () => {
      await onlyOwnHandlersDiffer(host, request).catch(asGateFailure);
      await lookAgain(host, request);
    },
    afterSteps: async () => {
      if (request.to !== undefined) await filesInPlace(host, request.to);
      if (request.to !== undefined) await filesReached(host, request, request.to);
      if (request.to !== undefined) await labelsInPlace(host, request.to, request.emit);
      if (request.to !== undefined && !request.policyDenies) await policyAllows(host, request, request.to);
      // Without a daemon nothing can be asked: the files are all that the next pod reads.
      if (request.engine.daemon === undefined) return;
      if (!request.restarts) return checkNow(host, request, true);
      request.emit({ kind: 'phase', name: 'gate', detail: `waiting for ${request.engine.name}` });
      await criReady(host, request);
      // Before the restart the file that another program renders was the old one.
      if (request.instance.renderer !== undefined) await onlyOwnHandlersDiffer(host, request).catch(asGateFailure);
      request.emit({ kind: 'phase', name: 'gate', detail: `watching ${request.engine.name} for ${steadyMs / 1000} s` });
      await staysUp(host, request);
      if (given.reads !== undefined) await readsIt(host, request);
      if (['comes', 'stays'].includes(given.selinux ?? '')) await labelsAreOn(host, request);
    },
    evidence: () => logTail(host, request.instance.unit, [...request.baseline.dependents]),
  };
}

/** The gate of an offline tree: nothing runs there, so only the files can be asked. */
export function offlineGate(host: HostView, to: GenerationManifest | undefined, emit: Emit): Gate {
  return {
    beforeRestart: async () => undefined,
    afterSteps: async () => {
      if (to !== undefined) await filesInPlace(host, to);
      // A boot that goes back to this generation has no other one left.
      if (to !== undefined && !host.booted) await labelsInPlace(host, to, emit);
    },
    evidence: async () => [],
  };
}

/** Through the very paths that the engine's configuration names. */
async function filesInPlace(host: HostView, to: GenerationManifest): Promise<void> {
  for (const handler of to.handlers) {
    const shim = to.format === 'directory' ? await host.digest(`${pointer}/payload/${handler.shim}`) : await shimInImage(host, to, handler);
    const text = await host.readText(`${pointer}/config/${handler.name}/configuration.toml`);
    if (shim === handler.shimDigest && text !== undefined && digestOf(text) === handler.configurationDigest) continue;
    throw new KataError('gate-failed', {
      subject: handler.name,
      found: `${pointer} does not point at the files of generation ${to.number}`,
      needed: `the shim ${handler.shimDigest} and the configuration ${handler.configurationDigest}`,
      next: 'kata-sysext verify',
    });
  }
}

/**
 * An image need not be mounted here: live, `filesReached` reads the shim where it is merged; in an offline tree the digest of the image is
 * compared instead.
 */
async function shimInImage(host: HostView, to: GenerationManifest, { shimDigest }: GenerationHandler): Promise<Digest | undefined> {
  const payload = await payloadOf(host, to);
  return payload !== undefined && (await isIntact(host, payload, host.live ? 'shape' : 'bytes')) ? shimDigest : undefined;
}

/** By PID 1, which merges, and by the engine, which may have mounts of its own. */
async function filesReached(host: HostView, { instance }: GateRequest, to: GenerationManifest): Promise<void> {
  const pid = await enginePid(host, instance);
  const backend = backendOf(to.backend);
  const problems = await backend.verifyVisible(host, to, [1, ...(pid === undefined ? [] : [pid])]);
  if (problems.length === 0) return;
  const unit = instance.unit ?? instance.engine;
  const mounts = `systemctl show ${unit} -p PrivateMounts -p MountFlags -p RootDirectory`;
  throw new KataError('gate-failed', {
    subject: unit,
    found: problems.join('; '),
    needed: `the files of generation ${to.number} seen by PID 1 and by ${instance.engine}`,
    next: backend.mountPoint().startsWith('/usr/')
      ? `use --backend prefix, or let the engine see PID 1’s mounts: ${mounts}`
      : `let the engine see PID 1’s files at ${pointer} and ${to.payloadFolder}: ${mounts} -p RootImage -p TemporaryFileSystem -p InaccessiblePaths`,
  });
}

/** The engine's process as it is now: the change may have restarted it. */
async function enginePid(host: HostView, { unit, process, effect }: Instance): Promise<number | undefined> {
  if (unit === undefined) return process?.pid;
  return servingPid(host, (await (await host.systemd())?.unit(unit))?.mainPid ?? 0, effect);
}

/** By the labels that the files have now. */
async function policyAllows(host: HostView, { engine, instance, baseline }: GateRequest, to: GenerationManifest): Promise<void> {
  const pid = await enginePid(host, instance);
  const { process: _, ...rest } = instance;
  const now = pid === undefined ? rest : { ...rest, process: { pid, startedMs: 0, binaryReplaced: false } };
  const findings = await installedPolicyFindings(host, to, { found: { engine, instance: now }, dump: baseline.dump });
  const [first, ...more] = findings.filter(({ level }) => level === 'blocker');
  if (first === undefined) return;
  throw new KataError('gate-failed', {
    subject: first.subject,
    found: [first, ...more]
      .map(({ found }) => found)
      .slice(0, 5)
      .join('; '),
    needed: 'a policy and labels with which pods start',
    next: first.next,
  });
}

async function criReady(host: HostView, request: GateRequest): Promise<void> {
  const { engine, instance, baseline } = request;
  const started = performance.now();
  for (;;) {
    stopIfAsked(request.signal);
    const state = await engine.daemon?.probe(host, instance, probeTimeouts.repeatedMs);
    if (state === undefined) return;
    if (state.reachable && (state.runtimeReady || !baseline.state.runtimeReady))
      return checkState(request, await withoutEnding(host, request, state));
    const waited = performance.now() - started;
    const pluginMissing = /unknown service|unimplemented/i.test(state.why ?? '') && waited > missingPluginMs;
    const down = await unitDown(host, request);
    if (pluginMissing || down !== undefined || waited > criDeadlineMs) {
      throw new KataError('gate-failed', {
        subject: instance.unit ?? engine.name,
        found: down ?? `${speakerOf(engine)} is not ready after ${Math.round(waited / 1000)} s: ${state.why ?? 'runtime not ready'}`,
        needed: `${speakerOf(engine)} ready with all handlers`,
        next: `kata-sysext history N (its number: kata-sysext history); journalctl -u ${instance.unit ?? engine.name} -n 50`,
      });
    }
    await pause(pauseMs);
  }
}

/** Since the baseline was taken, a payload may have been copied: pods that ended meanwhile lost nothing. */
async function lookAgain(host: HostView, request: GateRequest): Promise<void> {
  const { baseline } = request;
  const now = await request.engine.daemon?.probe(host, request.instance, probeTimeouts.repeatedMs);
  request.lookedMs = host.now().getTime();
  if (now?.reachable === true) request.baseline = { ...baseline, state: { ...baseline.state, sandboxes: now.sandboxes } };
}

/** Sandboxes that were being stopped when the engine went down are no loss: their containers had ended before. */
async function withoutEnding(
  host: HostView,
  { engine, instance, baseline, lookedMs }: GateRequest,
  now: EngineState,
): Promise<EngineState> {
  const lost = lostOf(baseline.state, now).map(({ id }) => id);
  if (lost.length === 0 || lookedMs === undefined) return now;
  const ended = (await engine.daemon?.endedBefore?.(host, instance, lost, lookedMs, probeTimeouts.repeatedMs)) ?? new Set();
  return { ...now, sandboxes: now.sandboxes.filter(({ id }) => !ended.has(id)) };
}

/** A sandbox that is gone was removed by its user; one that is listed but no longer ready has lost its shim. */
function lostOf(before: EngineState, now: EngineState): Sandbox[] {
  const alive = new Map(now.sandboxes.map((sandbox) => [sandbox.id, sandbox]));
  return before.sandboxes.filter(({ id, ready }) => ready && alive.get(id)?.ready === false);
}

/** @param own pods of the handlers of kata-sysext are judged: what was mounted elsewhere may have taken the files from under their shims */
async function checkNow(host: HostView, request: GateRequest, own = false): Promise<void> {
  const state = await request.engine.daemon?.probe(host, request.instance, probeTimeouts.repeatedMs);
  if (state !== undefined) checkState(request, state, own ? request.touched : []);
}

/**
 * @param judged handlers whose pods may not have ended; undefined: all. An engine that was just started knows which shims it did not find
 *   again. Later a pod that ends has ended by itself, or its user stopped it: on a busy node some always do.
 */
function checkState(request: GateRequest, now: EngineState, judged?: readonly string[]): void {
  const { engine, baseline, to, touched, restored, instance, editedByOthers } = request;
  const problems: string[] = [];
  const who = speakerOf(engine);
  const one = engine.daemon?.inUse?.one ?? 'sandbox';
  if (!now.reachable) problems.push(`${who} does not answer: ${now.why ?? 'no reason given'}`);
  const listed = to === undefined ? restored : namesOf(to);
  for (const name of listed) if (!now.handlers.includes(name)) problems.push(`${who} does not list ${name}`);
  for (const name of baseline.state.handlers) {
    if (!touched.includes(name) && !now.handlers.includes(name)) problems.push(`the handler ${name === '' ? '(default)' : name} is gone`);
  }
  const gone = editedByOthers ? [] : touched.filter((name) => !listed.includes(name));
  for (const name of gone) if (now.handlers.includes(name)) problems.push(`${who} still lists ${name}`);
  for (const { id, handler, podName } of lostOf(baseline.state, now))
    if (judged === undefined || judged.includes(handler)) problems.push(`${one} ${id.slice(0, 12)} (${podName}) lost its shim`);
  if (problems.length === 0) return;
  throw new KataError('gate-failed', {
    subject: instance.unit ?? engine.name,
    found: problems.join('; '),
    needed: 'kata-sysext’s handlers and all earlier ones listed, no sandbox lost',
    next: `kata-sysext history N (its number: kata-sysext history); journalctl -u ${instance.unit ?? engine.name} -n 50`,
  });
}

/** Who says which handlers there are. */
function speakerOf({ name, cri }: Engine): string {
  return cri === undefined ? `the daemon of ${name}` : `the CRI of ${name}`;
}

async function staysUp(host: HostView, request: GateRequest): Promise<void> {
  const systemd = await host.systemd();
  const unit = request.instance.unit;
  if (systemd === undefined || unit === undefined) return;
  const watched = [unit, ...request.baseline.dependents];
  const child = async () => `${await enginePid(host, request.instance)}`;
  const [first, pid] = [await runs(systemd, watched), await child()];
  const until = performance.now() + steadyMs;
  while (performance.now() < until) {
    stopIfAsked(request.signal);
    await pause(pauseMs);
    const down = await unitDown(host, request);
    const now = await runs(systemd, watched);
    const other = watched.find((name) => now.get(name) !== first.get(name));
    const replaced = other ?? ((await child()) === pid ? undefined : `the engine’s process of ${unit}`);
    if (down === undefined && replaced === undefined) continue;
    throw new KataError('gate-failed', {
      subject: unit,
      found: down ?? `${replaced} died and was started again within ${steadyMs / 1000} s`,
      needed: `${unit} and its dependents active and staying so`,
      next: `kata-sysext history N (its number: kata-sysext history); journalctl -u ${unit} -n 50`,
    });
  }
  const down = await unitDown(host, request, ['active', 'reloading']);
  if (down !== undefined)
    throw new KataError('gate-failed', { subject: unit, found: down, needed: 'all units up', next: `journalctl -u ${unit} -n 50` });
  await checkNow(host, request);
}

/** By the command line of the process that runs now. */
async function readsIt(host: HostView, { engine, instance }: GateRequest): Promise<void> {
  const now = (await engine.detect(host)).find(({ unit }) => unit === instance.unit);
  if (now?.configPath === instance.configPath) return;
  throw new KataError('gate-failed', {
    subject: instance.unit ?? engine.name,
    found: `${engine.name} reads ${now?.configPath ?? 'nothing that is known'}`,
    needed: `a daemon that reads ${instance.configPath}`,
    next: `systemctl cat ${instance.unit ?? engine.name}`,
  });
}

async function runs(systemd: Systemd, units: Unit[]): Promise<Map<Unit, string>> {
  const found = new Map<Unit, string>();
  for (const name of units) {
    const { invocationId, mainPid, restarts } = await systemd.unit(name);
    found.set(name, `${invocationId} ${mainPid} ${restarts}`);
  }
  return found;
}

/** The first unit that is not active, in words. */
async function unitDown(
  host: HostView,
  { instance, baseline }: GateRequest,
  up = ['active', 'reloading', 'activating'],
): Promise<string | undefined> {
  const systemd = await host.systemd();
  if (systemd === undefined || instance.unit === undefined) return undefined;
  for (const name of [instance.unit, ...baseline.dependents]) {
    const { activeState, result } = await systemd.unit(name);
    if (!up.includes(activeState)) return `${name} is ${activeState} (${result})`;
  }
  return undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
