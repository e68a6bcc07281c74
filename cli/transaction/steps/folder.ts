import type { DropFolderStep, FolderStep, StepKind } from '../types.ts';

export const folder: StepKind<FolderStep> = {
  prepare: async (host, step) => ({ existed: (await host.lstat(step.path)) !== undefined }),
  apply: async (host, step) => {
    if ((await host.lstat(step.path)) === undefined) await host.mkdir(step.path, step.mode);
    await host.relabel([step.path]);
  },
  revert: async (host, step, undo) => {
    if (undo['existed'] !== true && (await host.readdir(step.path)).length === 0) await host.rmdir(step.path);
  },
  look: async (host, step, undo) => {
    const there = (await host.lstat(step.path)) !== undefined;
    return there && undo['existed'] !== true ? 'after' : 'before';
  },
};

export const dropFolder: StepKind<DropFolderStep> = {
  prepare: async (host, step) => {
    const stat = await host.lstat(step.path);
    return stat === undefined ? { existed: false } : { existed: true, mode: stat.mode, empty: (await host.readdir(step.path)).length === 0 };
  },
  apply: async (host, step) => {
    if ((await host.lstat(step.path))?.kind === 'directory' && (await host.readdir(step.path)).length === 0) await host.rmdir(step.path);
  },
  revert: async (host, step, undo) => {
    if (undo['existed'] === true && (await host.lstat(step.path)) === undefined) {
      await host.mkdir(step.path, Number(undo['mode']));
      await host.relabel([step.path]);
    }
  },
  look: async (host, step, undo) => {
    const there = (await host.lstat(step.path)) !== undefined;
    return undo['existed'] === true && !there ? 'after' : 'before';
  },
};
