import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install } from '../changes/install.ts';
import type { Context, InstallRequest } from '../changes/types.ts';
import { KataError } from '../errors/index.ts';
import type { Target } from '../generate/index.ts';
import { openHost } from '../host/index.ts';
import { activeGeneration, etcFolder, payloadRoot, stateFolder } from '../store/index.ts';
import { type Archive, dropTransient, makeArchive } from './archive.ts';
import { makeTargetTree } from './tree.ts';

export type { Archive } from './archive.ts';

export interface Rendered {
  archive: Archive;
  /** As `RenderedRequest` wants them. */
  places: string[];
  engineUnit: string;
}

/**
 * Installs onto a throw-away tree like the target's and packs what appeared; `work` gets the archive before everything is removed.
 * `epoch`: the time, in seconds, that the records say. Throws what `install` throws, and `usage` where a node's own files would decide.
 */
export async function render<T>(
  context: Context,
  request: { target: Target; install: InstallRequest; epoch: number },
  work: (rendered: Rendered) => Promise<T>,
): Promise<T> {
  const { target } = request;
  const [engine = ''] = (request.install.engine ?? '').split('@');
  if (target.tree === undefined)
    throw unfit(`--form rendered for ${target.name}`, 'fcos, flatcar, r4e or openshift-4.13 and later: elsewhere --form hook');
  // containerd's configuration is edited, and what the edit has to be depends on the node's own file.
  if (engine !== 'crio')
    throw unfit(`--form rendered with --engine ${engine === '' ? '(none)' : engine}`, '--engine crio@VERSION; for containerd --form hook');
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-render-'));
  try {
    const root = join(folder, 'root');
    await makeTargetTree(root, target.tree);
    const host = { ...openHost(root, {}), now: () => new Date(request.epoch * 1000) };
    const { program, emit, signal } = context;
    try {
      await install({ host, program, emit, signal }, request.install);
      const wiring = (await activeGeneration(host))?.record.wiring;
      const marks = (wiring?.marks ?? []).map(({ path }) => path);
      const payloads = await host.realpath(payloadRoot(target.tree.ostree));
      await dropTransient(join(root, stateFolder));
      const places = [...new Set([payloads, stateFolder]), etcFolder, ...marks];
      return await work({ archive: await makeArchive(root, places, folder), places, engineUnit: 'crio.service' });
    } finally {
      await host.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function unfit(found: string, needed: string): KataError {
  return new KataError('usage', { subject: '--form', found, needed, next: 'kata-sysext generate --help' });
}
