import type { Finding } from '../errors/index.ts';
import { command } from '../output/index.ts';
import { sameChoices } from '../planning/choices/choices.ts';
import { allowedFor, nothingAfterwards } from '../planning/records.ts';
import { shownWrites, switchWrites } from '../planning/writes.ts';
import { refuseFull } from '../preflight/room.ts';
import { carryOut, receipt } from '../runner/carryOut.ts';
import { installProgramCopy } from '../runner/programCopy.ts';
import type { Answer } from '../runner/types.ts';
import { type GenerationManifest, isWaiting, makeGeneration, readGenerations } from '../store/index.ts';
import type { Change, NewGeneration } from './activateNew.ts';

/** The generation waits for `activate`. What the engine and the backend say about it is asked then. */
export async function stage(
  { context, options, id, started, from }: Change,
  wish: NewGeneration,
  { manifest, configurations }: { manifest: GenerationManifest; configurations: Map<string, string> },
  findings: Finding[],
): Promise<Answer> {
  const { host } = context;
  const waiting = (await readGenerations(host)).filter(isWaiting).find((each) => sameGeneration(each.manifest, manifest));
  const to = waiting?.manifest ?? manifest;
  const nextCommand = command(host, `activate ${to.number}`);
  const text = `make generation ${to.number}, which waits for: ${nextCommand}`;
  const others = wish.writes ?? [];
  const writes = waiting === undefined ? [...others, ...(await switchWrites(host, [], true, others))] : [];
  const room = await refuseFull(host, writes, true, options);
  const written = await shownWrites(host, writes);
  if (options.dryRun) {
    const steps = waiting === undefined ? [{ kind: 'record' as const, text }] : [];
    return {
      kind: 'Plan',
      plan: { verb: 'stage', to: to.number, steps, restarts: [], dependents: [], gate: [], ...written, findings: [...findings, ...room] },
    };
  }
  const carry = { id, verb: 'stage', to, made: true, started, afterwards: nothingAfterwards };
  if (waiting !== undefined) {
    const change = receipt(context, carry, undefined);
    return { kind: 'Change', change: { ...change, findings, nextCommand } };
  }
  await installProgramCopy(context, to.backend);
  await wish.seal?.();
  await makeGeneration(host, to, configurations);
  const loads = options.loadModules ?? from?.record.loadModules;
  const records = [
    {
      number: to.number,
      state: 'staged' as const,
      ...(loads === false ? { loadModules: false } : {}),
      ...allowedFor({ from, allow: options.allow }),
    },
  ];
  const outcome = await carryOut(context, { ...carry, afterwards: { ...nothingAfterwards, records } });
  const change = receipt(context, carry, outcome);
  return {
    kind: 'Change',
    change: {
      ...change,
      bytesWritten: written.bytesWritten,
      savedBytes: wish.savedBytes ?? 0,
      findings: [...findings, ...room, ...change.findings],
      nextCommand,
    },
  };
}

function sameGeneration(a: GenerationManifest, b: GenerationManifest): boolean {
  const shape = (each: GenerationManifest) => [each.payload, each.backend, each.handlers.map((handler) => handler.configurationDigest)];
  return JSON.stringify(shape(a)) === JSON.stringify(shape(b)) && sameChoices(a.choices, b.choices);
}
