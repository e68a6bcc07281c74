import { isRoots } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { type RunningShim, runningShims } from '../preflight/running.ts';
import { type Generation, insideExtension } from '../store/index.ts';

/** Of Linux on every architecture: times in /proc/PID/stat are in hundredths of a second. */
const msPerTick = 10;

/**
 * How many sandboxes run from each generation, by its number. A sandbox counts once, for the generation whose payload its shim was started
 * from. Where several generations have that payload, it is the one of them that became active last before the shim started; their records
 * tell only the last time, so that after a rollback an older sandbox can count for the first of them.
 */
export async function sandboxesByGeneration(host: HostView, all: Generation[]): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  if (!host.live) return counts;
  const shims = await Promise.all(
    (await runningShims(host)).map(async (shim) => ({ ...shim, startedMs: await startedMs(host, shim.pid) })),
  );
  // What helps with a sandbox (start, delete) may be another program than what serves it, and comes or goes later.
  shims.sort((a, b) => a.startedMs - b.startedMs);
  const seen = new Set<string>();
  for (const shim of shims) {
    if (seen.has(shim.id)) continue;
    const owner = ownerOf(await candidates(host, shim, all), shim.startedMs);
    if (owner === undefined) continue;
    seen.add(shim.id);
    counts.set(owner.manifest.number, (counts.get(owner.manifest.number) ?? 0) + 1);
  }
  return counts;
}

/** Generations that the shim can be of. */
async function candidates(host: HostView, shim: RunningShim, all: Generation[]): Promise<Generation[]> {
  if (shim.known) return all.filter(({ manifest }) => shim.payloads.has(manifest.payloadFolder));
  // Who may not ask for the program has only its own word, and takes it from root's processes alone.
  if (!(await isRoots(host, shim.pid))) return [];
  const stored = all.filter(({ manifest }) => shim.calledBy.startsWith(`${manifest.payloadFolder}/`));
  if (stored.length > 0 || !shim.calledBy.startsWith(`/${insideExtension}/`)) return stored;
  return all.filter(({ manifest }) => manifest.handlers.some((handler) => shim.calledBy.endsWith(`/${handler.shim}`)));
}

function ownerOf(generations: Generation[], startedAtMs: number): Generation | undefined {
  const known = generations.flatMap((generation) => {
    const at = Date.parse(generation.record.activated ?? '');
    return Number.isNaN(at) ? [] : [{ generation, at }];
  });
  known.sort((a, b) => a.at - b.at);
  return (known.findLast(({ at }) => at <= startedAtMs) ?? known[0])?.generation ?? generations[0];
}

/** When a process started, in ms since the epoch by the clock of now; Infinity where it has ended meanwhile. */
async function startedMs(host: HostView, pid: string): Promise<number> {
  const read = (path: string) => host.readText(path).catch(() => undefined);
  const [stat, uptime] = [await read(`/proc/${pid}/stat`), await read('/proc/uptime')];
  // The name of the program, in brackets, may hold anything.
  const ticks = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const upMs = Number.parseFloat(uptime ?? '') * 1000;
  const ms = host.now().getTime() - upMs + ticks * msPerTick;
  return Number.isFinite(ms) ? ms : Number.POSITIVE_INFINITY;
}
