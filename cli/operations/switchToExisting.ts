import { moduleFindings } from '../kernelModules/index.ts';
import { command } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards, switchRecords } from '../planning/records.ts';
import { othersWiring } from '../planning/replaceWiring.ts';
import { programWrites } from '../planning/writes.ts';
import { findEngineToWire, refuse } from '../preflight/engine.ts';
import { refuseHarmful } from '../preflight/harmful.ts';
import { refuseDamaged } from '../preflight/payload.ts';
import { etcFindings } from '../preflight/refusals.ts';
import { refuseFull } from '../preflight/room.ts';
import { checkedSwitch } from '../preflight/switch.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { activeGeneration, type Generation } from '../store/index.ts';

/** Makes a generation that is already there the active one, wiring included. `choose` says which. */
export async function planSwitchTo(
  view: View,
  verb: string,
  options: ChangeOptions,
  choose: (from: Generation | undefined) => Promise<Generation>,
): Promise<OperationPlan> {
  const { host, id, started } = view;
  refuse(await etcFindings(host), options.allow);
  const from = await activeGeneration(host);
  const target = await choose(from);
  await refuseDamaged(host, target.manifest, 'the files of the generation');
  await refuseHarmful(host, from, target, options.allow);
  const { manifest: to, record } = target;
  const found = await findEngineToWire(host, options.engine, from?.record.wiring?.engine);
  const guard = await guardOf(view, to);
  const theirs = await othersWiring(host, found, from, target);
  const writes = await programWrites(view, to.backend, guard);
  const ends = { from, to, loadModules: record.loadModules };
  const planned = await checkedSwitch(host, { verb, id, found, writes, options, guard, ...ends, ...theirs });
  const { plan } = planned;
  const known = new Set(from?.manifest.handlers.map(({ name }) => name));
  const coming = to.handlers.filter(({ name }) => !known.has(name));
  plan.findings.push(...(await moduleFindings(host, coming)));
  await refuseFull(host, planned.writes, false, options);
  const common = { verb, plan, from: from?.manifest.number, to, found, planned, prove: options.prove };
  if (planned.steps.length === 0) return { ...common, idle: true, afterwards: nothingAfterwards };
  return {
    ...common,
    idle: false,
    rehearsed: true,
    program: { own: false, guard },
    afterwards: {
      ...nothingAfterwards,
      records: switchRecords({ from, to: to.number, record, allow: options.allow }, planned, host.live, started),
    },
    says: { undoCommand: command(host, from === undefined ? 'uninstall' : 'rollback') },
  };
}
