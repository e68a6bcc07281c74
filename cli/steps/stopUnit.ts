import { tableOf } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { deadlineMs, kind, unit } from './shapes.ts';
import type { StepKind, StopUnitStep } from './types.ts';

/** Another program's unit, which runs and whose files go in the same change. An undo starts it again, once its files are back and PID 1 has read them. */
export const stopUnit: StepKind<StopUnitStep> = {
  shape: tableOf({ kind, unit, deadlineMs }),
  subject: (step) => step.unit,
  describe: (step) => `stop ${step.unit}`,
  prepare: async () => ({ begun: true }),
  apply: async (host, step) => {
    const result = await (await host.systemd())?.stop(step.unit, step.deadlineMs);
    if (result === undefined || result === 'done') return;
    throw new KataError('gate-failed', {
      subject: step.unit,
      found: `the stop of ${step.unit} ended as ${result}`,
      needed: `${step.unit} stopped, because its files go`,
      next: `journalctl -u ${step.unit} -n 50`,
    });
  },
  revert: async () => undefined,
  look: async (_host, _step, undo) => (undo['begun'] === true ? 'after' : 'before'),
  finishUndo: async (host, step) => {
    try {
      const systemd = await host.systemd();
      await systemd?.daemonReload();
      const result = await systemd?.start(step.unit, step.deadlineMs);
      if (result === undefined || result === 'done') return [];
      return [{ path: step.unit, found: `its start ended as ${result}`, next: `systemctl start ${step.unit}`, retry: false }];
    } catch (error) {
      return [
        { path: step.unit, found: `it could not be started again: ${String(error)}`, next: `systemctl start ${step.unit}`, retry: true },
      ];
    }
  },
};
