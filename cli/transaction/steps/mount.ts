import { KataError } from '../../errors/index.ts';
import { type HostView, tempPathFor } from '../../host/index.ts';
import { mountAt, overlaidPayload } from '../mount.ts';
import { dropTemporary } from '../temporaries.ts';
import type { MountStep, StepKind } from '../types.ts';

/** The link and the mount that it leads to are one step, so that an undo mounts again what was there as soon as the link is back. */
export const mount: StepKind<MountStep> = {
  prepare: async (host, step) => {
    if ((await linkAt(host, step.path)) === step.before && (await overlaidPayload(host)) === step.shown) return {};
    throw new KataError('edited-meanwhile', {
      subject: step.path,
      found: `${step.path}, or what is mounted on /usr, changed since the plan was made`,
      needed: `${step.path}: ${step.before}, and mounted: ${step.shown}`,
      next: 'run the command again',
    });
  },
  apply: (host, step) => mountAt(host, step, step.after),
  revert: async (host, step) => {
    await dropTemporary(host, tempPathFor(step.path));
    const now = await linkAt(host, step.path);
    if (now !== step.before && now !== step.after) return;
    const same = now === step.before && (await overlaidPayload(host)) === step.shown;
    // Where the link stood without a mount, what it leads to is mounted: nobody is served by less.
    if (!same || step.anew) await mountAt(host, step, step.before);
  },
  look: async (host, step) => {
    const now = await linkAt(host, step.path);
    if (now === step.before && (await overlaidPayload(host)) === step.shown) return 'before';
    return now === step.before || now === step.after ? 'after' : 'other';
  },
};

async function linkAt(host: HostView, path: string): Promise<string> {
  if ((await host.lstat(path)) === undefined) return 'absent';
  return (await host.readlink(path)) ?? 'not a link';
}
