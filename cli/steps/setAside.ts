import { tableOf } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { noteParent, restoreParent } from './parent.ts';
import { kind, path } from './shapes.ts';
import type { SetAsideStep, StepKind } from './types.ts';

/**
 * A rename, so that an undo costs nothing and brings back every inode, however much lies below. What was set aside is removed after the
 * commit, as a part of the clean-up, which recover repeats.
 */
export const setAside: StepKind<SetAsideStep> = {
  shape: tableOf({ kind, path, aside: path }),
  subject: (step) => step.path,
  describe: (step) => `remove ${step.path} and all below it`,
  prepare: async (host, step) => {
    const stat = await host.lstat(step.path);
    if (stat !== undefined && (await host.lstat(step.aside)) === undefined)
      return { existed: true, modifiedMs: stat.modifiedMs, ...(await noteParent(host, step.path)) };
    throw new KataError('edited-meanwhile', {
      subject: step.path,
      found: stat === undefined ? `${step.path} went since the plan was made` : `${step.aside} is in the way`,
      needed: `${step.path} as it was then, and nothing at ${step.aside}`,
      next: 'run the command again',
    });
  },
  apply: (host, step) => host.rename(step.path, step.aside),
  revert: async (host, step, undo) => {
    if ((await host.lstat(step.aside)) === undefined || (await host.lstat(step.path)) !== undefined) return;
    await host.rename(step.aside, step.path);
    await restoreParent(host, step.path, undo);
  },
  look: async (host, step, undo) => {
    const [here, aside] = [await host.lstat(step.path), await host.lstat(step.aside)];
    if (aside === undefined) return here === undefined && undo['existed'] === true ? 'other' : 'before';
    return here === undefined ? 'after' : 'other';
  },
  afterCommit: (host, step) => host.removeTree(step.aside),
};
