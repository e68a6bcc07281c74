import { openCri, realSocket } from '../../cri/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';

const nanosecondsOfMs = 1_000_000n;

/**
 * Of these sandboxes those whose containers had all ended before a time (ms of the epoch): their pods were going, whatever became of the
 * daemon since. One without a container is not among them, and none where the CRI does not answer. Containers of a shim that was lost in a
 * restart end at the restart or after it, by the engine's word (containerd: reason Unknown; CRI-O: the exit file of conmon).
 */
export async function endedBefore(
  host: HostView,
  socket: HostPath | undefined,
  sandboxes: readonly string[],
  beforeMs: number,
  timeoutMs: number,
): Promise<ReadonlySet<string>> {
  const ended = new Set<string>();
  const { path } = await realSocket(host, socket);
  if (path === undefined) return ended;
  const cri = await openCri(path, timeoutMs);
  try {
    const all = await cri.listContainers();
    for (const sandbox of sandboxes) {
      const own = all.filter(({ pod_sandbox_id }) => pod_sandbox_id === sandbox);
      const ends = await Promise.all(own.map(async ({ id }) => endOf((await cri.containerStatus(id)).status)));
      if (ends.length > 0 && ends.every((end) => end !== undefined && end < BigInt(beforeMs) * nanosecondsOfMs)) ended.add(sandbox);
    }
    return ended;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return ended;
  } finally {
    cri.close();
  }
}

/** In nanoseconds of the epoch; undefined where it has not ended, or does not say when. */
function endOf(status: { state: string; finished_at: string } | null): bigint | undefined {
  if (status?.state !== 'CONTAINER_EXITED' || !/^[1-9][0-9]{0,18}$/.test(status.finished_at)) return undefined;
  return BigInt(status.finished_at);
}
