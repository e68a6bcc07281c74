import { deploymentNow } from '../facts/index.ts';
import type { HostPath } from '../host/index.ts';
import { surveyLabels } from '../labels/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import type { Plan } from '../planning/types.ts';
import { refuseRunning } from '../preflight/lockHeld.ts';
import { repairLabels } from '../runner/repairLabels.ts';
import { underLock } from '../runner/session.ts';
import type { Context } from '../runner/types.ts';
import { activeGeneration, type Staging, stagingOf } from '../store/index.ts';
import { openEntries, openHere, plannedRecovery, type Recovered } from '../transaction/index.ts';

export interface Recovery {
  recovered: Recovered[];
  /** What an interrupted unpacking had left. */
  removed?: Staging;
}

/** Finishes or undoes interrupted changes, as every changing verb does first. Without an interrupted change it does nothing. */
export function recover(context: Context, options: ChangeOptions): Promise<Recovery> {
  return underLock(context, 'recover', options, async (recovered, staging) => {
    const gone = staging !== undefined && (await stagingOf(context.host)) === undefined;
    return { recovered, ...(gone ? { removed: staging } : {}) };
  });
}

/** What it would do: a step for each interrupted change. Reads only. Throws `lock-held` while a change runs: that one is not interrupted. */
export async function planRecovery({ host }: Context): Promise<Plan> {
  await refuseRunning(host);
  const open = await openHere(host, await deploymentNow(host));
  // What is unpacked may belong to a change that waits for another deployment.
  const waiting = (await openEntries(host)).length > open.length;
  const staging = waiting ? undefined : await stagingOf(host);
  const planned = await Promise.all(open.map((id) => plannedRecovery(host, id)));
  const texts = [...planned, ...(staging?.folders ?? []).map((folder) => `remove what an interrupted unpacking left in ${folder}`)];
  const steps = texts.map((text) => ({ kind: 'record' as const, text }));
  const freed = staging?.sizeBytes === undefined ? {} : { freedBytes: staging.sizeBytes };
  return { ...emptyPlan('recover'), steps, ...freed };
}

/** `verify --repair`: puts the SELinux labels of the active generation back. Gives the paths; none where nothing is installed or wrong. */
export function repair(context: Context, options: ChangeOptions): Promise<HostPath[]> {
  return underLock(context, 'verify', options, async () => {
    const { host } = context;
    const active = await activeGeneration(host);
    return active === undefined ? [] : repairLabels(host, await surveyLabels(host, active));
  });
}
