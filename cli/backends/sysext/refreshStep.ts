import { count, flag, listOf, mapOf, tableOf, text, writtenPath } from '../../documents/shapes.ts';
import type { Host } from '../../host/index.ts';
import { deadlineMs, kind, path, state, unit } from '../../steps/shapes.ts';
import type { Leftover, StepKind } from '../../steps/types.ts';
import { mergedPayload } from '../belowUsr.ts';
import { refresh as mergeAnew, type RefreshStep, refreshBack, refuseNews } from './refresh.ts';

/** Like a restart it cannot be taken back by itself: after the link is back, PID 1 merges once more. */
export const refresh: StepKind<RefreshStep> = {
  shape: tableOf({
    kind,
    unit,
    systemd: count,
    before: state,
    after: state,
    others: mapOf(listOf(text), writtenPath),
    pending: listOf(text),
    mounts: listOf(path),
    wasActive: flag,
    stop: flag,
    deadlineMs,
  }),
  subject: (step) => step.unit,
  describe,
  prepare: async (host, step) => {
    await refuseNews(host, step);
    return { begun: true };
  },
  apply: (host, step) => mergeAnew(host, step, step.after, step.stop),
  revert: async () => undefined,
  look: async (host, step) => ((await mergedPayload(host)) === step.before ? 'before' : 'after'),
  finishUndo: mergeBack,
};

function describe(step: RefreshStep): string {
  return `let systemd refresh the system extensions (${step.unit}): files of extensions below /usr are absent for some milliseconds`;
}

/** Files first, engine last: it must find what its configuration names. */
async function mergeBack(host: Host, step: RefreshStep): Promise<Leftover[]> {
  await host.failpoint('undo/merged/before');
  try {
    const lost = await refreshBack(host, step);
    return lost.map((found) => ({ path: step.unit, found, next: `journalctl -u ${step.unit} -n 50; systemd-sysext status`, retry: false }));
  } catch (error) {
    return [
      {
        path: step.unit,
        found: `could not undo “${describe(step)}”: ${String(error)}`,
        next: `journalctl -u ${step.unit} -n 50; kata-sysext recover`,
        retry: true,
      },
    ];
  }
}
