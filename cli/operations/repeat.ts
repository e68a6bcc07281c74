import { canRepair, surveyLabels } from '../labels/index.ts';
import { guardFindings, guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import { programWrites } from '../planning/writes.ts';
import { refuseFull } from '../preflight/room.ts';
import { checkedSwitch, type Switch } from '../preflight/switch.ts';
import { filesText } from '../runner/repairLabels.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import type { Generation } from '../store/index.ts';
import type { Afterwards } from '../transaction/index.ts';
import type { Change } from './activateNew.ts';

/** What shall be staged is active. Where the host drifted from it, that stays: staging touches neither the engine nor the pointer. */
export function planActiveAlready({ manifest: to }: Generation): OperationPlan {
  const ends = { from: to.number, to: to.number };
  return { verb: 'stage', plan: { ...emptyPlan('stage'), ...ends }, idle: true, from: to.number, to, afterwards: nothingAfterwards };
}

/** Nothing differs from what is active: nothing to do, unless the host drifted from it. */
export async function planRepeat(view: View, { verb, options, found, layer }: Change, from: Generation): Promise<OperationPlan> {
  const { host, program, id } = view;
  const to = from.manifest;
  const guard = await guardOf(view, to);
  const own = to.program === program;
  const writes = await programWrites(view, to.backend, own ? 'always' : guard);
  const labels = await surveyLabels(host, from);
  // What is merged keeps the labels that it was merged with: it is merged again.
  const fresh = to.format === 'directory' && labels.wrong.some(({ place }) => place.shown);
  const { loadModules = true } = options;
  const planned = await checkedSwitch(host, { verb, id, found, from, to, fresh, writes, options, guard, loadModules, layer: layer?.step });
  const { plan } = planned;
  plan.findings.push(...(await refuseFull(host, planned.writes, writes.length > 0, options)));
  plan.findings.push(...(layer?.findings ?? []), ...guardFindings(view, to, guard));
  const wrong = labels.wrong.filter(canRepair);
  if (wrong.length > 0) plan.steps.unshift({ kind: 'record', text: `put the SELinux labels of ${filesText(wrong.length)} back` });
  return {
    verb,
    plan,
    idle: planned.steps.length === 0,
    from: to.number,
    to,
    found,
    planned,
    rehearsed: true,
    prove: options.prove,
    labels,
    // Restores a copy of the program that was damaged or removed. A copy that nothing names is not restored: the next clean-up would remove it.
    program: { own, guard },
    afterwards: { ...nothingAfterwards, records: [recordOf(from, planned, host.live, loadModules)] },
    says: layer && { nextCommand: layer.nextCommand },
  };
}

function recordOf(
  { manifest, record }: Generation,
  { edited, wiring: { wiring } }: Switch,
  live: boolean,
  loadModules: boolean,
): Afterwards['records'][number] {
  return {
    number: manifest.number,
    state: live ? 'active' : 'staged',
    ...(wiring === undefined ? {} : { wiring }),
    edited,
    ...(loadModules === (record.loadModules ?? true) ? {} : { loadModules }),
  };
}
