import { flag, tableOf, textLike } from '../../documents/shapes.ts';
import { KataError } from '../../errors/index.ts';
import { tempPathFor } from '../../host/index.ts';
import { linkAt } from '../../steps/linkAt.ts';
import { deadlineMs, kind, path, state, unit } from '../../steps/shapes.ts';
import { dropTemporary } from '../../steps/temporaries.ts';
import type { StepKind } from '../../steps/types.ts';
import { type MountStep, mountAt, overlaidPayload } from './mount.ts';

const place = textLike('an absolute path, or absent', /^(absent$|\/)/);

/** The link and the mount of its target are one step: an undo mounts the earlier target as soon as the link is back. */
export const mount: StepKind<MountStep> = {
  shape: tableOf({ kind, unit, path, before: place, after: place, shown: state, again: flag, deadlineMs }),
  subject: (step) => step.path,
  describe: (step) =>
    step.after === 'absent'
      ? `let systemd unmount kata-sysext’s overlay from /usr (${step.unit}), and remove ${step.path}`
      : `point ${step.path} at ${step.after}, and let systemd mount that over /usr, read-only (${step.unit})${step.shown === 'absent' ? '' : ': Kata’s files are away for some milliseconds'}`,
  // An undo first unmerges the extensions that this change merged, then mounts the overlay that they replaced.
  waitsForOthers: true,
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
    // If the mount was missing before the change, the undo still mounts the target of the link: engines may name files in it.
    if (!same || step.again) await mountAt(host, step, step.before);
  },
  look: async (host, step) => {
    const now = await linkAt(host, step.path);
    if (now === step.before && (await overlaidPayload(host)) === step.shown) return 'before';
    return now === step.before || now === step.after ? 'after' : 'other';
  },
};
