import { type Cri, openCri, realSocket } from '../../cri/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';

const nanosecondsOfMs = 1_000_000n;
/** A pod that goes stops its sandbox some seconds after its last container. */
const goingNs = 60_000n * nanosecondsOfMs;
const notFound = 5;

/**
 * Of these sandboxes those whose containers had all ended before a time (ms of the epoch), the last one in the minute before: their pods
 * were going, whatever became of the daemon since. One without a container is not among them, and none where the CRI does not answer. Containers of a shim that was lost in a
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
  const before = BigInt(beforeMs) * nanosecondsOfMs;
  try {
    const all = await cri.listContainers();
    for (const sandbox of sandboxes) {
      const own = all.filter(({ pod_sandbox_id }) => pod_sandbox_id === sandbox);
      const ends = await Promise.all(own.map(({ id }) => endIn(cri, id, before)));
      const isGoing = ends.every((end) => end !== undefined && end < before) && ends.some((end) => end! > before - goingNs);
      if (isGoing) ended.add(sandbox);
    }
    return ended;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return ended;
  } finally {
    cri.close();
  }
}

/** When a container ended, in nanoseconds of the epoch; undefined where it has not, or does not say when. One that was removed meanwhile had. */
async function endIn(cri: Cri, id: string, before: bigint): Promise<bigint | undefined> {
  try {
    const { status } = await cri.containerStatus(id);
    return status?.state === 'CONTAINER_EXITED' && /^[1-9][0-9]{0,18}$/.test(status.finished_at) ? BigInt(status.finished_at) : undefined;
  } catch (error) {
    if (error instanceof KataError && error.complaint.details?.['grpcStatus'] === notFound) return before - 1n;
    throw error;
  }
}
