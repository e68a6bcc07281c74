import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { KataError } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';
import { installedName } from '../layout/index.ts';
import { architectureFindings, type Given } from '../planning/choices/givenImage.ts';
import type { InstallRequest } from '../planning/choices/types.ts';
import type { Write } from '../planning/types.ts';
import { expectedWrites, programWrites } from '../planning/writes.ts';
import { refuse } from '../preflight/engine.ts';
import { roomOf } from '../preflight/room.ts';
import { type Staged, stageImage, stagePayload, stagingFolder } from '../store/index.ts';
import type { Context, PayloadStaging, Place } from './types.ts';

/** What a planner has staged, for the runner: it seals it or removes it. */
export interface StagingArea extends PayloadStaging {
  staged(): Staged | undefined;
  discard(): Promise<void>;
}

export function stagingArea(context: Context): StagingArea {
  let staged: Staged | undefined;
  const kept = async (staging: Promise<Staged>) => {
    staged = await staging;
    return staged;
  };
  return {
    unpack: (request, place) => kept(unpack(context, request, place)),
    copyImage: (given, request, place) => kept(takeImage(context, given, request, place)),
    staged: () => staged,
    // The change has ended by now: what stays in the staging folder is unused, and gcStaging removes it.
    discard: async () => staged?.discard().catch(() => undefined),
  };
}

/**
 * Unpacks the bundles of a request below `root`, in the staging folder. The size of an archive's files shows only while it is read, so that
 * free room is checked four times: before, while files are written, after the last one, and before an image is made of them. Throws `host-space`,
 * and `host-space-kubelet` unless that is allowed; then the staging folder is gone.
 */
async function unpack(context: Context, request: InstallRequest, { facts, root, format, backend, wanted, own }: Place): Promise<Staged> {
  const { host, emit, signal } = context;
  if (!facts.architecture.known) throw new Error('hostFindings refuses an unknown architecture');
  const room = await roomOf(host, { kubelet: true });
  const rest = [...(await programWrites(context, backend, 'always')), ...expectedWrites(root)];
  // The archives themselves are a lower bound of what must fit.
  refuse(await room.findings([staging(root, await sizeOf(request.sources)), ...rest]), request.allow);
  return stagePayload(host, {
    sources: request.sources,
    digests: request.digests,
    fetching: request.fetching,
    verifiers: request.verifiers,
    provers: request.provers,
    handlers: wanted,
    own,
    architecture: facts.architecture.value,
    root,
    format,
    haveRoom: async (moreBytes) => void refuse(await room.findings([staging(root, moreBytes), ...rest]), request.allow),
    emit,
    signal,
  });
}

/** Stages a copy of the image. Throws `host-architecture`, `bundle-lacks-handler` and the codes of `stageImage`. */
async function takeImage(
  context: Context,
  { file, said }: Given,
  request: InstallRequest,
  { facts, root, wanted, backend }: Place,
): Promise<Staged> {
  // It was a saved bundle when it was looked at: only the archives of one are proven so.
  const prover = request.provers?.[0];
  if (prover !== undefined) throw prover.unproven([]);
  const name = basename(file);
  const [foreign] = architectureFindings(facts, { file, said });
  if (foreign !== undefined) throw KataError.of(foreign);
  const lacking = (wanted ?? []).filter((release) => !said.handlers.some((handler) => handler.release === release)).map(installedName);
  if (lacking.length > 0) {
    throw new KataError('bundle-lacks-handler', {
      subject: lacking.join(', '),
      found: `${name} does not have ${lacking.join(', ')}; it has ${said.handlers.map((handler) => handler.name).join(', ')}`,
      needed: 'an image with all wanted handlers',
      next: `make another one: kata-sysext build BUNDLE... ${(wanted ?? []).map((release) => `--handler ${release}`).join(' ')} -o FILE`,
      details: { handlers: lacking, available: said.handlers.map((handler) => handler.name) },
    });
  }
  const room = await roomOf(context.host, { kubelet: true });
  const rest = [...(await programWrites(context, backend, 'always')), ...expectedWrites(root)];
  refuse(await room.findings([staging(root, await sizeOf([file])), ...rest]), request.allow);
  return stageImage(context.host, {
    file,
    said,
    digest: request.digests[0],
    verifier: request.verifiers?.[0],
    root,
    emit: context.emit,
    signal: context.signal,
  });
}

function staging(root: HostPath, bytes: number): Write {
  return { what: 'staging', path: stagingFolder(root), bytes, entries: 1 };
}

async function sizeOf(sources: string[]): Promise<number> {
  const sizes = await Promise.all(sources.map(async (path) => (await stat(path).catch(() => undefined))?.size ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}
