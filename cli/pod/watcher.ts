import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../host/index.ts';
import { isLeft, type PodNote, readNote, removeNote } from './notes.ts';
import { criAt, removeDeadlineMs, removeRuns } from './removing.ts';

const lookMs = 200;
/** An engine whose caller has died stops a start, and cleans after itself for up to ten seconds: no sandbox is listed meanwhile. */
const quietMs = 12_000;
/** How long after its time a pod is still tried to be removed. */
const patienceMs = 300_000;

/** The work of a watcher's unit. Ends when the note is gone, because then the pod is; at the latest some minutes after the pod's time. */
export async function watchPod(host: Host, run: string, signal: AbortSignal): Promise<void> {
  let quietSince: number | undefined;
  for (;;) {
    const note = await readNote(host, run);
    if (note === undefined || signal.aborted || host.now().getTime() > note.untilMs + patienceMs) return;
    if (await isLeft(host, note)) {
      const seen = await removeOnce(host, note);
      if (seen === 'none') quietSince ??= performance.now();
      else quietSince = undefined;
      const quiet = quietSince !== undefined && performance.now() - quietSince > quietMs;
      if (seen === 'removed' || quiet) return removeNote(host, run);
    }
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
}

async function removeOnce(host: Host, note: PodNote): Promise<'removed' | 'none' | 'unknown'> {
  try {
    const cri = await criAt(host, note.socket, removeDeadlineMs);
    try {
      return (await removeRuns(cri, (run) => run === note.run)) > 0 ? 'removed' : 'none';
    } finally {
      cri.close();
    }
  } catch {
    // The engine may be on its way up.
    return 'unknown';
  }
}
