import { refresh as mergeAnew, mergedPayload, refuseNews } from '../refresh.ts';
import type { RefreshStep, StepKind } from '../types.ts';

/** Like a restart it cannot be taken back by itself: after the link is back, `undo.ts` has PID 1 merge once more. */
export const refresh: StepKind<RefreshStep> = {
  prepare: async (host, step) => {
    await refuseNews(host, step);
    return { begun: true };
  },
  apply: (host, step) => mergeAnew(host, step, step.after, step.stop),
  revert: async () => undefined,
  look: async (host, step) => ((await mergedPayload(host)) === step.before ? 'before' : 'after'),
};
