import { backendKinds, type Step } from '../backends/stepKinds.ts';
import type { Shape } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';
import { coreKinds } from '../steps/index.ts';
import type { StepKind } from '../steps/types.ts';

const kinds = { ...coreKinds, ...backendKinds };

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

export function subjectOf(step: Step): string {
  return kindOf(step).subject(step);
}

export function describe(step: Step): string {
  return kindOf(step).describe(step);
}

/** What a journal has to have of a step of this kind; undefined where the kind is not known here. */
export function shapeOf(kind: unknown): Shape<unknown> | undefined {
  return typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind as Step['kind']].shape : undefined;
}
