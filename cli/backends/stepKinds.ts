import type { CoreStep, StepKind } from '../steps/types.ts';
import type { MountStep } from './overlay/mount.ts';
import { mount } from './overlay/mountStep.ts';
import type { RefreshStep } from './sysext/refresh.ts';
import { refresh } from './sysext/refreshStep.ts';

/** Steps that a backend has of its own. */
export type BackendStep = RefreshStep | MountStep;

export type Step = CoreStep | BackendStep;

/** A row a kind, beside the backends themselves: `status` reads journals, and must not load what backends ask of a host. */
export const backendKinds: { [Kind in BackendStep['kind']]: StepKind<Extract<BackendStep, { kind: Kind }>> } = { refresh, mount };
