import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mergeOf } from '../backends/index.ts';
import { guardUnits, presetFile } from '../bootGuard/units/index.ts';
import type { Against, Beside, Merging, Source, Target } from '../generate/index.ts';
import { type HostView, openHost, stoppable } from '../host/index.ts';
import { modulesFile } from '../kernelModules/index.ts';
import { planInstall } from '../operations/install.ts';
import type { InstallRequest } from '../planning/choices/types.ts';
import { runOperation } from '../runner/run.ts';
import type { Context } from '../runner/types.ts';
import { activeGeneration, etcFolder, handlerMarks, namesOf, payloadRoot, stateFolder } from '../store/index.ts';
import { type Archive, dropTransient, makeArchive } from './archive.ts';
import { againstOf, partsFolder } from './edits.ts';
import { engineTree, unfit } from './engine.ts';
import { makeTargetTree } from './tree.ts';

export type { Archive } from './archive.ts';

export interface Rendered {
  archive: Archive;
  /** As `RenderedRequest` wants them. */
  places: string[];
  modules?: string | undefined;
  engineUnit: string;
  against?: Against | undefined;
  beside?: Beside;
  merging?: Merging | undefined;
}

const noImage = '--target fcos, or the bundles that the image was made of: they become a prefix';

export interface RenderRequest {
  target: Target;
  install: InstallRequest;
  /** The one source is an image, which nodes fetch as it is: a system extension there. */
  image?: Source | undefined;
  /** The node's own configuration of its engine: a file of this machine. */
  engineConfig?: string | undefined;
  /** The single file of this version: its copy and the units of the boot guard are put there as well. */
  programFile?: string | undefined;
  /** The time, in seconds, that the records say. */
  epoch: number;
}

/**
 * Installs onto a throw-away tree like the target's and packs what appeared; `work` gets the archive before everything is removed.
 * Throws what `install` throws, and `usage` where a node's own files would decide.
 */
export async function render<T>(
  context: Omit<Context, 'host'>,
  request: RenderRequest,
  work: (rendered: Rendered) => Promise<T>,
): Promise<T> {
  const { target, programFile } = request;
  if (target.tree === undefined)
    throw unfit('--form', `--form rendered for ${target.name}`, 'fcos, flatcar, r4e or openshift-4.13 and later: elsewhere --form hook');
  if (request.image !== undefined && target.tree.systemd === undefined)
    throw unfit('--target', `an image for ${target.name}, where the engine is an extension itself or systemd is older than 257`, noImage);
  const engine = await engineTree(request.install.engines?.[0], request.engineConfig);
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-render-'));
  try {
    const root = join(folder, 'root');
    const files = engine.config === undefined ? {} : { [engine.config.path]: engine.config.bytes };
    // A node has folders for units: an uninstall leaves them there.
    const units = guardUnits({ image: false });
    const keeping = modulesFile({ image: false });
    const folders = [
      ...engine.folders,
      ...units.map(({ wants }) => wants.slice(1)),
      dirname(presetFile).slice(1),
      dirname(keeping).slice(1),
    ];
    await makeTargetTree(root, target.tree, { files, folders });
    const { program, emit, signal, asked } = context;
    const host = stoppable({ ...openHost(root, {}), now: () => new Date(request.epoch * 1000) }, signal);
    try {
      const own = { host, program, programFile, emit, signal, asked };
      await runOperation(own, 'install', planInstall, request.install);
      const active = await activeGeneration(host);
      const marks = handlerMarks(active?.record.wiring);
      const payloads = await host.realpath(payloadRoot(target.tree.ostree));
      await dropTransient(join(root, stateFolder));
      const wiring = marks.flatMap(({ kind, path }) => (kind === 'file' ? [path] : []));
      const guard = programFile === undefined ? [] : [...units.flatMap(({ path, link }) => [path, link]), presetFile];
      const places = [...new Set([payloads, stateFolder]), ...guard, etcFolder, ...wiring];
      const against = await againstOf(root, engine, marks);
      const merging = request.image === undefined ? undefined : await mergingOf(host, root, request.image);
      const parts = (against?.edits.length ?? 0) > 0 ? [partsFolder] : [];
      const modules = (await host.lstat(keeping)) === undefined ? [] : [keeping];
      const archive = await makeArchive(root, [...places, ...parts, ...modules], folder);
      const handlers = active === undefined ? [] : namesOf(active.manifest);
      const beside = engine.read === undefined ? {} : { beside: { own: wiring, handlers, read: engine.read } };
      const more = {
        against,
        ...beside,
        modules: modules[0],
        merging,
      };
      return await work({ archive, places, engineUnit: engine.unit, ...more });
    } finally {
      await host.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How a node gets and shows the image that was installed on the tree. Takes its copy there away: nodes fetch it by itself, the archive has the rest. */
async function mergingOf(host: HostView, root: string, image: Source): Promise<Merging> {
  const active = await activeGeneration(host);
  if (active === undefined) throw new Error('nothing is installed on the tree');
  const merge = await mergeOf(host, active.manifest);
  await rm(join(root, merge.link.target));
  return { ...merge, image };
}
