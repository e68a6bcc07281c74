import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { KataError } from '../../errors/index.ts';
import type { HostFacts } from '../../facts/index.ts';
import type { Format } from '../../images/index.ts';
import { type Staged, stagePayload } from '../../store/index.ts';
import type { Context, InstallRequest } from '../types.ts';

/**
 * Unpacks the bundles of a request below `root`, in our staging folder.
 *
 * @param handlers the release's words; undefined: its default
 */
export async function unpack(
  { host, emit, signal }: Context,
  request: InstallRequest,
  facts: HostFacts,
  { root, format }: { root: string; format: Format },
  handlers: string[] | undefined,
): Promise<Staged> {
  if (!facts.architecture.known) throw new Error('hostFindings refuses an unknown architecture');
  await refuseFullDisk(request, root, await host.freeBytes(root));
  return stagePayload(host, {
    sources: request.sources,
    digests: request.digests,
    handlers,
    architecture: facts.architecture.value,
    root,
    format,
    emit,
    signal,
  });
}

/** The archives themselves are a lower bound of what must fit. */
async function refuseFullDisk(request: InstallRequest, root: string, free: number): Promise<void> {
  const sizes = await Promise.all(request.sources.map(async (path) => (await stat(path).catch(() => undefined))?.size ?? 0));
  const needed = sizes.reduce((sum, size) => sum + size, 0);
  if (free >= needed) return;
  throw new KataError('host-space', {
    subject: root,
    found: `${free} bytes free for ${root}`,
    needed: `at least ${needed} bytes`,
    next: `free some: kata-sysext gc; df -h ${posix.dirname(root)}`,
  });
}
