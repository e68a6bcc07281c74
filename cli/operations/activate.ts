import { KataError } from '../errors/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { activeNumber, isWaiting, readGeneration, readGenerations } from '../store/index.ts';
import { planSwitchTo } from './switchToExisting.ts';

export interface ActivateRequest extends ChangeOptions {
  /** Default: the newest generation that `install --stage` made and that was never active. */
  number?: number | undefined;
}

/** Makes a staged generation, or any other one, the active one. */
export function planActivate(view: View, request: ActivateRequest): Promise<OperationPlan> {
  const { host } = view;
  return planSwitchTo(view, 'activate', request, async () => {
    if (request.number !== undefined) return readGeneration(host, request.number);
    const waiting = (await readGenerations(host)).filter(isWaiting).at(-1);
    if (waiting !== undefined) return waiting;
    const active = await activeNumber(host);
    throw new KataError('nothing-staged', {
      subject: active === undefined ? 'nothing is installed' : `generation ${active} is active`,
      found: 'no generation waits to be activated',
      needed: 'a generation that install --stage made, or the number of another one',
      next: 'kata-sysext install BUNDLE --stage, or kata-sysext activate N (numbers: kata-sysext status)',
    });
  });
}
