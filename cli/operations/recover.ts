import { deploymentNow } from '../facts/index.ts';
import { surveyLabels } from '../labels/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { activeGeneration, stagingOf } from '../store/index.ts';
import { openEntries, openHere, plannedRecovery } from '../transaction/index.ts';

/**
 * Finishes or undoes interrupted changes. The runner has done that before it asks for a plan, as for every changing verb; a dry run gets a
 * step for each change that is still open, and throws what a recovery would.
 */
export async function planRecover({ host, recovered, left }: View, { dryRun }: ChangeOptions): Promise<OperationPlan> {
  const here = await deploymentNow(host);
  const open = await openHere(host, here);
  // What is unpacked may belong to a change that waits for another deployment.
  const waiting = (await openEntries(host)).length > open.length;
  const staging = await stagingOf(host);
  const goes = dryRun && !waiting ? staging : undefined;
  const planned: string[] = [];
  for (const id of open) planned.push(await plannedRecovery(host, id, here));
  const texts = [...planned, ...(goes?.folders ?? []).map((folder) => `remove what an interrupted unpacking left in ${folder}`)];
  const steps = texts.map((text) => ({ kind: 'record' as const, text }));
  const freed = goes?.sizeBytes === undefined ? {} : { freedBytes: goes.sizeBytes };
  return {
    verb: 'recover',
    plan: { ...emptyPlan('recover'), steps, ...freed },
    idle: true,
    afterwards: nothingAfterwards,
    says: { recovered, removedStaging: staging === undefined ? left : undefined },
  };
}

/** `verify --repair`: puts the SELinux labels of the active generation back. */
export async function planRepair({ host }: View): Promise<OperationPlan> {
  const active = await activeGeneration(host);
  const labels = active === undefined ? undefined : await surveyLabels(host, active);
  return { verb: 'verify', plan: emptyPlan('verify'), idle: true, labels, afterwards: nothingAfterwards };
}
