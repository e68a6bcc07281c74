import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cri, SandboxConfig } from '../cri/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { type Host, interrupted, undisturbed } from '../host/index.ts';
import type { GenerationHandler } from '../store/index.ts';
import { onHostKernel, podFailed, podLeft, thrown } from './findings.ts';
import { findHypervisor } from './hypervisor.ts';
import { type PodNote, removeNote, startOf, writeNote } from './notes.ts';
import { criAt, grpcStatusOf, removeDeadlineMs, removeRuns } from './removing.ts';
import { containerConfig, sandboxConfig } from './sandbox.ts';
import type { PodProof, PodSession } from './types.ts';
import { startWatcher } from './watcherUnit.ts';

/** How long a signal waits for a start that the engine is at: what is ended in the middle of it comes up later, unseen. */
const graceMs = 10_000;
/** What all calls after the start may take together. */
const afterwardsMs = 120_000;
const execSeconds = 10;
/** A kubelet that removes the pod first stops its sandbox, then its container fails. */
const kubeletMs = 3_000;
const pauseMs = 200;

/** gRPC: CANCELLED, UNKNOWN is the engine's own, DEADLINE_EXCEEDED, UNAVAILABLE. After these the engine may still be at work. */
const undecided = [1, 4, 14];

interface Subject {
  generation: number;
  handler: GenerationHandler;
  image: string;
}

/**
 * Starts a pod of one handler, looks at it and removes it. Never throws for what is wrong with the pod: that is in its findings. Throws
 * `interrupted`; the pod is removed then too.
 */
export async function provePod(session: PodSession, subject: Subject): Promise<PodProof> {
  const { host, instance, request, emit } = session;
  const name = subject.handler.name;
  const run = randomBytes(8).toString('hex');
  const timeoutMs = request.timeoutSeconds * 1000;
  const owner = { pid: process.pid, started: (await startOf(host, process.pid)) ?? '' };
  const note: PodNote = {
    run,
    handler: name,
    socket: instance.socket ?? '',
    owner,
    untilMs: host.now().getTime() + timeoutMs + afterwardsMs,
  };
  emit({ kind: 'phase', name: 'pod', detail: `starting a pod of ${name}` });
  let cri: Cri;
  try {
    cri = await criAt(host, instance.socket, removeDeadlineMs);
  } catch (error) {
    if (session.signal.aborted) throw error;
    return { handler: name, ok: false, findings: [podFailed(name, instance, error, 'no pod was asked for')] };
  }
  try {
    const fault = await begin(host, note);
    if (fault !== undefined)
      return { handler: name, ok: false, findings: [podFailed(name, instance, fault, 'its pod could not be noted in /run')] };
    return await undisturbed(host, () => runPod(session, subject, { cri, note, timeoutMs }));
  } finally {
    cri.close();
  }
}

/** The note and the watcher are there before the pod is; without room in /run there is neither, and no pod would start. */
async function begin(host: Host, note: PodNote): Promise<unknown> {
  try {
    await writeNote(host, note);
  } catch (error) {
    await removeNote(host, note.run);
    if (error instanceof KataError && error.code === 'interrupted') throw error;
    return error;
  }
  await host.failpoint('pod/noted');
  await startWatcher(host, note);
  await host.failpoint('pod/watched');
  return undefined;
}

interface Running {
  cri: Cri;
  note: PodNote;
  timeoutMs: number;
}

async function runPod(session: PodSession, subject: Subject, running: Running): Promise<PodProof> {
  const { host, instance, signal } = session;
  const { cri, note, timeoutMs } = running;
  const name = subject.handler.name;
  const config = sandboxConfig(name, note.run);
  const started = performance.now();
  let decided = true;
  let proof: PodProof = { handler: name, ok: false, image: subject.image, findings: [] };
  try {
    if (!signal.aborted) {
      const id = await orInterrupted(cri.runSandbox(config, name, timeoutMs), signal);
      const milliseconds = Math.round(performance.now() - started);
      await host.failpoint('pod/started');
      const seen = signal.aborted ? { findings: [] } : await lookInside(session, subject, { cri, config, id });
      proof = { ...proof, ok: !seen.findings.some(({ level }) => level === 'blocker'), milliseconds, ...seen };
    }
  } catch (error) {
    decided = error instanceof KataError && !undecided.includes(grpcStatusOf(error) ?? 0) && error.code !== 'interrupted';
    proof = { ...proof, findings: [podFailed(name, instance, error)] };
  }
  const left = await endPod(host, running, decided);
  if (signal.aborted) throw left === undefined ? interrupted() : thrown(left);
  return left === undefined ? proof : { ...proof, ok: false, findings: [...proof.findings, left] };
}

/** Removes it; the note goes when nothing can come up any more, else it and the watcher stay for what the engine is still at. */
async function endPod(host: Host, { cri, note }: Running, decided: boolean): Promise<Finding | undefined> {
  try {
    const removed = await removeRuns(cri, (run) => run === note.run);
    await host.failpoint('pod/removed');
    if (decided || removed > 0) await removeNote(host, note.run);
    return undefined;
  } catch (error) {
    return podLeft(note.handler, `${note.handler}: its pod is still there: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What the engine answers; after a signal it has some seconds left for that. */
async function orInterrupted(start: Promise<string>, signal: AbortSignal): Promise<string> {
  const over = new AbortController();
  const given = (async () => {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
      if (signal.aborted) resolve();
    });
    await sleep(graceMs, undefined, { signal: over.signal });
    throw interrupted();
  })();
  given.catch(() => undefined);
  start.catch(() => undefined);
  try {
    return await Promise.race([start, given as Promise<never>]);
  } finally {
    over.abort();
  }
}

interface Inside {
  cri: Cri;
  config: SandboxConfig;
  id: string;
}

/** A container from the same image, its kernel, and the hypervisor. The kubelet may remove the pod meanwhile: it does not know it. */
async function lookInside(session: PodSession, subject: Subject, inside: Inside): Promise<Partial<PodProof> & { findings: Finding[] }> {
  const { host, instance } = session;
  const { cri, id } = inside;
  const name = subject.handler.name;
  const info = await cri.sandboxStatus(id).then(
    (version) => version.info,
    () => ({}),
  );
  const vm = await findHypervisor(host, subject, { id, info });
  const about = { ...(vm ?? {}) };
  try {
    const container = await startContainer(inside, subject.image);
    await host.failpoint('pod/running');
    const kernel = await kernelIn(cri, container);
    const own = (await host.readText('/proc/sys/kernel/osrelease'))?.trim();
    const shared = vm === undefined && kernel !== undefined && kernel === own ? [onHostKernel(name, kernel)] : [];
    return { ...about, container: 'ran', kernel, findings: shared };
  } catch (error) {
    // An engine that is down by now says nothing of the sandbox: what was seen of it is kept.
    if (await isRemoved(cri, id).catch(() => false)) return { ...about, container: 'removed', findings: [] };
    return { ...about, container: 'failed', findings: [podFailed(name, instance, error, 'the container in its pod did not run')] };
  }
}

async function startContainer({ cri, config, id }: Inside, image: string): Promise<string> {
  const container = await cri.createContainer(id, containerConfig(image), config);
  await cri.startContainer(container);
  const { status } = await cri.containerStatus(container);
  const bad = status !== null && status.state === 'CONTAINER_EXITED' && status.exit_code !== 0;
  if (!bad) return container;
  throw new KataError('failed', {
    found: `its program ended with ${status.exit_code} (${status.reason}): ${status.message}`,
    needed: 'a program that runs',
    next: 'kata-sysext verify --boot-guest',
  });
}

/** By a program in the container, where its image has one: the usual sandbox image does not. */
async function kernelIn(cri: Cri, container: string): Promise<string | undefined> {
  const ran = await cri.execSync(container, ['uname', '-r'], execSeconds).catch(() => undefined);
  const said = ran?.exit_code === 0 ? Buffer.from(ran.stdout).toString('latin1').trim() : '';
  return /^[\w.+~-]{1,64}$/.test(said) ? said : undefined;
}

/** Whether another program has stopped the sandbox; it may be at it. */
async function isRemoved(cri: Cri, id: string): Promise<boolean> {
  const until = performance.now() + kubeletMs;
  for (;;) {
    const there = (await cri.listSandboxes()).find((sandbox) => sandbox.id === id);
    if (there?.state !== 'SANDBOX_READY') return true;
    if (performance.now() > until) return false;
    await sleep(pauseMs);
  }
}
