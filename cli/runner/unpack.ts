import { stat } from 'node:fs/promises';
import { KataError } from '../errors/index.ts';
import type { HostFacts } from '../facts/index.ts';
import type { HostPath } from '../host/index.ts';
import type { Format } from '../images/index.ts';
import type { Event } from '../output/events.ts';
import type { InstallRequest } from '../planning/choices/types.ts';
import { expectedWrites, programWrites, type Write } from '../planning/writes.ts';
import { refuse } from '../preflight/engine.ts';
import { type Room, roomOf } from '../preflight/room.ts';
import { type Staged, stagePayload, stagingFolder } from '../store/index.ts';
import type { Context } from './types.ts';

interface Place {
  root: HostPath;
  format: Format;
  backend: string;
}

/**
 * Unpacks the bundles of a request below `root`, in our staging folder. How much an archive holds shows only while it is read: so free room
 * is looked at before, while files are written, when all are, and before an image is made of them. Throws `host-space`, and `host-space-kubelet` unless it
 * is allowed; then the staging folder is gone.
 *
 * @param handlers the release's words; undefined: its default
 */
export async function unpack(
  context: Context,
  request: InstallRequest,
  facts: HostFacts,
  { root, format, backend }: Place,
  handlers: string[] | undefined,
): Promise<Staged> {
  const { host, emit, signal } = context;
  if (!facts.architecture.known) throw new Error('hostFindings refuses an unknown architecture');
  const room = await roomOf(host, { kubelet: true });
  const rest = [...(await programWrites(context, backend, 'always')), ...expectedWrites(root)];
  // The archives themselves are a lower bound of what must fit.
  refuse(await room.findings([staging(root, await sizeOf(request.sources)), ...rest]), request.allow);
  const watch = watchRoom(room, rest, request.allow);
  try {
    return await stagePayload(host, {
      sources: request.sources,
      digests: request.digests,
      handlers,
      architecture: facts.architecture.value,
      root,
      format,
      haveRoom: async (moreBytes) => void refuse(await room.findings([staging(root, moreBytes), ...rest]), request.allow),
      emit: (event) => {
        emit(event);
        watch.look(event);
      },
      signal: AbortSignal.any([signal, watch.signal]),
    });
  } catch (error) {
    throw (await watch.short()) ?? error;
  } finally {
    watch.end();
  }
}

/** The same room for a file that is copied as it is. */
export async function refuseFullFor(
  context: Context,
  file: string,
  root: HostPath,
  { allow }: InstallRequest,
  backend: string,
): Promise<void> {
  const room = await roomOf(context.host, { kubelet: true });
  const rest = [...(await programWrites(context, backend, 'always')), ...expectedWrites(root)];
  refuse(await room.findings([staging(root, await sizeOf([file])), ...rest]), allow);
}

function staging(root: HostPath, bytes: number): Write {
  return { what: 'staging', path: stagingFolder(root), bytes, entries: 1 };
}

async function sizeOf(sources: string[]): Promise<number> {
  const sizes = await Promise.all(sources.map(async (path) => (await stat(path).catch(() => undefined))?.size ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Looks at the free room whenever the reader says how far it is, and stops it where what else is written would not fit any more. */
function watchRoom(room: Room, rest: Write[], allow: string[]) {
  const stop = new AbortController();
  let looking: Promise<void> | undefined;
  let short: KataError | undefined;
  const look = async () => {
    try {
      refuse(await room.findings(rest), allow);
    } catch (error) {
      if (!(error instanceof KataError)) return;
      short ??= error;
      stop.abort(error);
    }
  };
  return {
    signal: stop.signal,
    look({ kind }: Event): void {
      if (kind !== 'bytes' || short !== undefined) return;
      looking ??= look().finally(() => {
        looking = undefined;
      });
    },
    /** What was missing, once the reader has stopped. */
    short: async () => {
      await looking;
      return short;
    },
    end: () => void looking?.catch(() => undefined),
  };
}
