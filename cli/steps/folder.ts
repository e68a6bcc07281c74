import { permissions, tableOf } from '../documents/shapes.ts';
import { errnoOf } from '../errors/index.ts';
import type { Host, HostPath } from '../host/index.ts';
import { noteParent, restoreParent } from './parent.ts';
import { kind, path } from './shapes.ts';
import type { DropFolderStep, FolderStep, StepKind } from './types.ts';

/** For a journal that does not tell. */
const usualMode = 0o755;

export const folder: StepKind<FolderStep> = {
  shape: tableOf({ kind, path, mode: permissions }),
  subject: (step) => step.path,
  describe: (step) => `make the folder ${step.path}`,
  prepare: async (host, step) => ({ existed: (await host.lstat(step.path)) !== undefined, ...(await noteParent(host, step.path)) }),
  apply: async (host, step) => {
    if ((await host.lstat(step.path)) === undefined) await host.mkdir(step.path, step.mode);
    await host.relabel([step.path]);
  },
  revert: async (host, step, undo) => {
    if (undo['existed'] !== true && (await host.readdir(step.path)).length === 0) await removeUnlessMounted(host, step.path);
    await restoreParent(host, step.path, undo);
  },
  look: async (host, step, undo) => {
    const there = (await host.lstat(step.path)) !== undefined;
    return there && undo['existed'] !== true ? 'after' : 'before';
  },
};

export const dropFolder: StepKind<DropFolderStep> = {
  shape: tableOf({ kind, path }),
  subject: (step) => step.path,
  describe: (step) => `remove the folder ${step.path} if it is empty`,
  prepare: async (host, step) => {
    const stat = await host.lstat(step.path);
    if (stat === undefined) return { existed: false };
    return { existed: true, mode: stat.mode, empty: (await host.readdir(step.path)).length === 0, ...(await noteParent(host, step.path)) };
  },
  apply: async (host, step) => {
    if ((await host.lstat(step.path))?.kind === 'directory' && (await host.readdir(step.path)).length === 0)
      await removeUnlessMounted(host, step.path);
  },
  revert: async (host, step, undo) => {
    if (undo['existed'] === true && (await host.lstat(step.path)) === undefined) {
      await host.mkdir(step.path, typeof undo['mode'] === 'number' ? undo['mode'] : usualMode);
      await host.relabel([step.path]);
    }
    await restoreParent(host, step.path, undo);
  },
  look: async (host, step, undo) => {
    const there = (await host.lstat(step.path)) !== undefined;
    return undo['existed'] === true && !there ? 'after' : 'before';
  },
};

/** What another program mounted on a folder of kata-sysext since stays, as its files would. */
async function removeUnlessMounted(host: Host, path: HostPath): Promise<void> {
  await host.rmdir(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'EBUSY') throw error;
  });
}
