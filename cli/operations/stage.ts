import type { Finding } from '../errors/index.ts';
import { command } from '../output/index.ts';
import { sameChoices } from '../planning/choices/choices.ts';
import { allowedFor, nothingAfterwards } from '../planning/records.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import { shownWrites, switchWrites } from '../planning/writes.ts';
import { refuseFull } from '../preflight/room.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { type Drawn, type GenerationManifest, isWaiting, readGenerations } from '../store/index.ts';
import type { Change, NewGeneration } from './activateNew.ts';

/** The generation waits for `activate`. What the engine and the backend say about it is asked then. */
export async function planStage(
  { host }: View,
  { options, from }: Change,
  wish: NewGeneration,
  drawn: Drawn,
  findings: Finding[],
): Promise<OperationPlan> {
  const waiting = (await readGenerations(host)).filter(isWaiting).find((each) => sameGeneration(each.manifest, drawn.manifest));
  const to = waiting?.manifest ?? drawn.manifest;
  const nextCommand = command(host, `activate ${to.number}`);
  const text = `make generation ${to.number}, which waits for: ${nextCommand}`;
  const others = wish.writes ?? [];
  const writes = waiting === undefined ? [...others, ...(await switchWrites(host, [], true, others))] : [];
  const room = await refuseFull(host, writes, true, options);
  const steps = waiting === undefined ? [{ kind: 'record' as const, text }] : [];
  const shown = { steps, ...(await shownWrites(host, writes)), findings: [...findings, ...room] };
  const common = { verb: 'stage', plan: { ...emptyPlan('stage'), to: to.number, ...shown }, to };
  if (waiting !== undefined) return { ...common, idle: true, afterwards: nothingAfterwards, says: { nextCommand } };
  const loads = (options.loadModules ?? from?.record.loadModules) === false ? { loadModules: false } : {};
  const records = [{ number: to.number, state: 'staged' as const, ...loads, ...allowedFor({ from, allow: options.allow }) }];
  return {
    ...common,
    idle: false,
    program: { own: true },
    generation: drawn,
    afterwards: { ...nothingAfterwards, records },
    says: { savedBytes: wish.savedBytes ?? 0, nextCommand },
  };
}

function sameGeneration(a: GenerationManifest, b: GenerationManifest): boolean {
  const shape = (each: GenerationManifest) => [each.payload, each.backend, each.handlers.map((handler) => handler.configurationDigest)];
  return JSON.stringify(shape(a)) === JSON.stringify(shape(b)) && sameChoices(a.choices, b.choices);
}
