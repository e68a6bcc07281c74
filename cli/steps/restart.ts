import { exactOptional } from 'valibot';
import { listOf, oneOf, tableOf } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { deadlineMs, kind, path, unit } from './shapes.ts';
import type { RestartStep, StepKind } from './types.ts';
import { bringUp } from './units.ts';

/** A restart cannot be taken back by itself: after the files are back, `undo.ts` brings the engine up once more. */
export const restart: StepKind<RestartStep> = {
  shape: tableOf({
    kind,
    unit,
    by: oneOf('restart', 'reload', 'itself'),
    asked: unit,
    itself: exactOptional(tableOf({ program: path, watches: path })),
    dependents: listOf(unit),
    deadlineMs,
  }),
  subject: (step) => step.asked,
  describe: (step) => {
    if (step.itself !== undefined) return `wait until ${step.unit} has restarted ${step.itself.program} by itself`;
    return `${step.by} ${step.asked}${step.asked === step.unit ? '' : `, which brings ${step.unit} up`}`;
  },
  prepare: async () => ({ begun: true }),
  apply: async (host, step) => {
    const { problems } = await bringUp(host, step);
    if (problems.length === 0) return;
    throw new KataError('gate-failed', {
      subject: step.unit,
      found: problems.join('; '),
      needed: `${step.unit} and its dependents active after the ${step.by === 'itself' ? 'change' : step.by}`,
      next: `journalctl -u ${step.asked}${step.asked === step.unit ? '' : ` -u ${step.unit}`} -n 50`,
    });
  },
  revert: async () => undefined,
  look: async (_host, _step, undo) => (undo['begun'] === true ? 'after' : 'before'),
};
