import type { HostPath } from '../host/index.ts';
import { surveyLabels } from '../labels/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { repairLabels } from '../runner/repairLabels.ts';
import { underLock } from '../runner/session.ts';
import type { Context } from '../runner/types.ts';
import { activeGeneration } from '../store/index.ts';

/** `verify --repair`: puts the SELinux labels of the active generation back. Gives the paths; none where nothing is installed or wrong. */
export function repair(context: Context, options: ChangeOptions): Promise<HostPath[]> {
  return underLock(context, 'verify', options, async () => {
    const { host } = context;
    const active = await activeGeneration(host);
    return active === undefined ? [] : repairLabels(host, await surveyLabels(host, active));
  });
}
