import { KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/index.ts';
import type { Step, StepKind } from '../types.ts';
import { file } from './file.ts';
import { dropFolder, folder } from './folder.ts';
import { layer } from './layer.ts';
import { modules } from './modules.ts';
import { mount } from './mount.ts';
import { pointer } from './pointer.ts';
import { refresh } from './refresh.ts';
import { restart } from './restart.ts';

const kinds = { folder, 'drop-folder': dropFolder, file, pointer, refresh, restart, mount, layer, modules };

/** The kind of a step. */
export function kindOf(step: Step): StepKind<Step> {
  return kinds[step.kind] as unknown as StepKind<Step>;
}

/** Throws `journal-newer` for a step that this program cannot take back: then none of them is. `path`: where they are written. */
export function refuseUnknown(path: HostPath, steps: Step[]): void {
  const unknown = steps.find(({ kind }) => !Object.hasOwn(kinds, kind));
  if (unknown === undefined) return;
  throw new KataError('journal-newer', {
    subject: path,
    found: `${path} has a step of the kind ${JSON.stringify(unknown.kind)}, which this version does not know`,
    needed: `steps of the kinds ${Object.keys(kinds).join(', ')}`,
    next: 'use the newer kata-sysext that wrote it',
  });
}

/** What a step is about: a path, a unit, a package. */
export function subjectOf(step: Step): string {
  if (step.kind === 'layer') return step.package;
  if (step.kind === 'modules') return step.names.join(', ');
  return 'path' in step ? step.path : step.unit;
}

/** One line for people: what the step does. */
export function describe(step: Step): string {
  switch (step.kind) {
    case 'folder':
      return `make the folder ${step.path}`;
    case 'drop-folder':
      return `remove the folder ${step.path} if it is empty`;
    case 'file':
      return `${step.after === 'absent' ? 'remove' : step.before === 'absent' ? 'create' : 'edit'} ${step.path}`;
    case 'pointer':
      return step.after === 'absent' ? `remove ${step.path}` : `point ${step.path} at ${step.after}`;
    case 'refresh':
      return `let systemd merge the system extensions anew (${step.unit}): files below /usr that come from extensions are away for some milliseconds`;
    case 'mount':
      return step.after === 'absent'
        ? `let systemd take our overlay off /usr (${step.unit}), and remove ${step.path}`
        : `point ${step.path} at ${step.after}, and let systemd mount that over /usr, read-only (${step.unit})${step.shown === 'absent' ? '' : ': Kata’s files are away for some milliseconds'}`;
    case 'layer':
      return `let rpm-ostree stage a deployment without the layered package ${step.package}, for the next boot`;
    case 'modules':
      return `load ${step.names.length === 1 ? 'the kernel module' : 'the kernel modules'} ${step.names.join(', ')} (loaded until the next boot, whatever becomes of this change)`;
    case 'restart':
      return `restart ${step.unit}`;
  }
}
