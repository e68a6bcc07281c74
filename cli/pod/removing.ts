import { setTimeout as sleep } from 'node:timers/promises';
import { type Cri, openCri, realSocket } from '../cri/index.ts';
import { unitNames } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { isLeft, type PodNote, readNotes, removeHalfNotes, removeNote } from './notes.ts';
import { runOf } from './sandbox.ts';
import { startWatcher } from './watcherUnit.ts';

/** For each call that removes. */
export const removeDeadlineMs = 20_000;
const maxTries = 10;
const pauseMs = 300;
const removalDeadlineMs = 10_000;

/** gRPC's status NOT_FOUND. */
const notFound = 5;

/** Stops and removes the sandboxes of these runs, again and again for a while: an engine needs a moment after a failed start. Throws the last refusal. */
export async function removeRuns(cri: Cri, isOwn: (run: string) => boolean): Promise<number> {
  const removed = new Set<string>();
  for (let tries = 1; ; tries++) {
    const there = (await cri.listSandboxes()).filter((sandbox) => isOwn(runOf(sandbox) ?? ''));
    if (there.length === 0) return removed.size;
    for (const { id } of there) {
      const failure = await removeOne(cri, id);
      if (failure === undefined) removed.add(id);
      else if (tries === maxTries) throw failure;
    }
    if (tries > 1) await sleep(pauseMs);
  }
}

async function removeOne(cri: Cri, id: string): Promise<unknown> {
  try {
    await unlessGone(cri.stopSandbox(id));
    await unlessGone(cri.removeSandbox(id));
    return undefined;
  } catch (error) {
    return error;
  }
}

async function unlessGone(call: Promise<void>): Promise<void> {
  await call.catch((error: unknown) => {
    if (grpcStatusOf(error) !== notFound) throw error;
  });
}

export function grpcStatusOf(error: unknown): number | undefined {
  const status = error instanceof KataError ? error.complaint.details?.['grpcStatus'] : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** A client for a socket of this host, with this deadline for each call. Throws `engine-unhealthy` where there is no socket. */
export async function criAt(host: HostView, socket: HostPath | undefined, deadlineMs: number): Promise<Cri> {
  const { path, why } = await realSocket(host, socket);
  if (path !== undefined) return openCri(path, deadlineMs);
  throw new KataError('engine-unhealthy', {
    subject: socket ?? 'CRI',
    found: why,
    needed: 'the socket of a running engine',
    next: `systemctl status ${unitNames().join(' ')}`,
  });
}

/**
 * Removes pods that a killed command left, by their notes; without a note nothing is asked of any engine. Gives the number of sandboxes,
 * and what could not be removed, in words.
 */
export async function removeLeftPods(host: Host): Promise<{ removed: number; failures: string[] }> {
  const outcome = { removed: 0, failures: [] as string[] };
  if (host.live) await removeHalfNotes(host);
  for (const note of await leftNotes(host)) {
    try {
      outcome.removed += await removeLeft(host, note);
    } catch (error) {
      outcome.failures.push(
        `the pod of ${note.handler} that run ${note.run} left: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  return outcome;
}

/**
 * Removes this program's pods that no note names: what the engine keeps on the disk outlives a loss of power, and /run does not. A pod that is
 * being proven has its note before the engine has it. What cannot be removed now is left to the kubelet, and to the next proof.
 */
export async function removeForgotten(host: Host, socket: HostPath | undefined): Promise<void> {
  let cri: Cri | undefined;
  try {
    cri = await criAt(host, socket, removalDeadlineMs);
    const there = (await cri.listSandboxes()).flatMap((sandbox) => runOf(sandbox) ?? []);
    const noted = there.length === 0 ? [] : (await readNotes(host)).map(({ run }) => run);
    const forgotten = there.filter((run) => !noted.includes(run));
    if (forgotten.length > 0) await removeRuns(cri, (run) => forgotten.includes(run));
  } catch {
    // A proof does not depend on it.
  } finally {
    cri?.close();
  }
}

async function leftNotes(host: HostView): Promise<PodNote[]> {
  if (!host.live) return [];
  const left: PodNote[] = [];
  for (const note of await readNotes(host)) if (await isLeft(host, note)) left.push(note);
  return left;
}

async function removeLeft(host: Host, note: PodNote): Promise<number> {
  const cri = await criAt(host, note.socket, removalDeadlineMs);
  try {
    const removed = await removeRuns(cri, (run) => run === note.run);
    // A start that the engine is still at is not listed yet: until its time is over the note stays, and a watcher.
    if (removed > 0 || host.now().getTime() > note.untilMs) await removeNote(host, note.run);
    else await startWatcher(host, note);
    return removed;
  } finally {
    cri.close();
  }
}
