import type { HostPath } from '../host/index.ts';
import type { Step } from '../transaction/index.ts';

/** The parts of a change, each in its own order. */
export interface Parts {
  /** A generation becomes active; else the host is left without one. */
  coming: boolean;
  unbless: Step[];
  guard: Step[];
  /** Backend, wiring, restart. */
  core: Step[];
  /** Kernel modules: loaded before anything needs them, and kept for the next boots. */
  load: Step[];
  keep: Step[];
  last: Step[];
}

/** The boot guard comes first and goes last, so that the next boot finishes or undoes a change that was interrupted in between. */
export function ordered({ coming, unbless, guard, core, load, keep, last }: Parts): Step[] {
  if (!coming) return [...unbless, ...core, ...keep, ...guard];
  return withoutNeeded(onceMade([...unbless, ...guard, ...load, ...core, ...keep, ...last]));
}

/** Several parts may need the same folder. */
function onceMade(steps: Step[]): Step[] {
  const made = new Set<HostPath>();
  return steps.filter((step) => {
    if (step.kind !== 'folder') return true;
    const first = !made.has(step.path);
    made.add(step.path);
    return first;
  });
}

/** What one backend leaves another one may need: no folder goes that a later step puts something into. */
function withoutNeeded(steps: Step[]): Step[] {
  const fills = (step: Step, folder: HostPath) =>
    (step.kind === 'file' || step.kind === 'pointer') && step.after !== 'absent' && step.path.startsWith(`${folder}/`);
  return steps.filter((step, index) => step.kind !== 'drop-folder' || !steps.slice(index + 1).some((later) => fills(later, step.path)));
}
