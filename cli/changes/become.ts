import {
  type Choices,
  drawGeneration,
  type Generation,
  type GenerationManifest,
  isWaiting,
  lastNumber,
  makeGeneration,
  type Origin,
  readGenerations,
} from '../store/index.ts';
import { carryOut, receipt, rehearse } from './carryOut.ts';
import { sameChoices } from './choices.ts';
import { command } from './command.ts';
import type { Found } from './engine.ts';
import { nothingAfterwards, switchRecords } from './records.ts';
import { planSwitch } from './switch.ts';
import type { Answer, ChangeOptions, Context } from './types.ts';

/** What every change that makes a generation knows by now. */
export interface Change {
  context: Context;
  verb: string;
  options: ChangeOptions;
  found: Found;
  id: number;
  started: Date;
  from?: Generation;
  /** Make it, and leave what is active as it is. */
  stage?: boolean;
}

/** The generation to make. */
export interface Becoming {
  origin: Origin;
  choices: Choices;
  backend: string;
  /** Where the payload's files are on the host once it is active. */
  home: string;
  /** 0 when the store has the payload already. */
  bytesWritten: number;
  savedBytes?: number;
  /** Text of a file of the payload, where it is now. */
  readText(path: string): Promise<string>;
  /** Puts the payload into the store. */
  seal?(): Promise<void>;
}

/** Makes a generation and makes it the active one. */
export async function become(change: Change, wish: Becoming): Promise<Answer> {
  const { context, verb, options, found, id, started, from } = change;
  const { host } = context;
  const { origin, choices, backend, home, readText, bytesWritten } = wish;
  const number = (await lastNumber(host)) + 1;
  const { program } = context;
  const drawn = await drawGeneration({ origin, choices, home, backend, number, program, created: started.toISOString(), readText });
  const to = drawn.manifest;
  if (change.stage === true) return keep(change, wish, drawn);
  const planned = await planSwitch(host, { verb, id, found, to, bytesWritten, options, ...(from === undefined ? {} : { from }) });
  if (options.dryRun) return { kind: 'Plan', plan: planned.plan };
  await rehearse(context, found, planned);
  await wish.seal?.();
  await makeGeneration(host, to, drawn.configurations);
  const fromNumber = from?.manifest.number;
  const carry = {
    id,
    verb,
    found,
    planned,
    to,
    made: true,
    started,
    ...(fromNumber === undefined ? {} : { from: fromNumber }),
    afterwards: { ...nothingAfterwards, records: switchRecords(fromNumber, number, planned, host.live, started) },
  };
  const outcome = await carryOut(context, carry);
  const undoCommand = command(host, fromNumber === undefined ? 'uninstall' : 'rollback');
  return { kind: 'Change', change: { ...receipt(context, carry, outcome), savedBytes: wish.savedBytes ?? 0, undoCommand } };
}

/** The generation waits for `activate`. What the engine and the backend say about it is asked then. */
async function keep(
  { context, options, id, started }: Change,
  wish: Becoming,
  { manifest, configurations }: Awaited<ReturnType<typeof drawGeneration>>,
): Promise<Answer> {
  const { host } = context;
  const waiting = (await readGenerations(host)).filter(isWaiting).find((each) => sameGeneration(each.manifest, manifest));
  const to = waiting?.manifest ?? manifest;
  const nextCommand = command(host, `activate ${to.number}`);
  const text = `make generation ${to.number}, which waits for: ${nextCommand}`;
  const bytesWritten = waiting === undefined ? wish.bytesWritten : 0;
  if (options.dryRun) {
    const steps = waiting === undefined ? [{ kind: 'record' as const, text }] : [];
    return {
      kind: 'Plan',
      plan: { verb: 'stage', to: to.number, steps, restarts: [], dependents: [], gate: [], bytesWritten, findings: [] },
    };
  }
  const carry = { id, verb: 'stage', to, made: true, started, afterwards: nothingAfterwards };
  if (waiting !== undefined) {
    const change = receipt(context, carry, undefined);
    return { kind: 'Change', change: { ...change, nextCommand } };
  }
  await wish.seal?.();
  await makeGeneration(host, to, configurations);
  const records = [{ number: to.number, state: 'staged' as const }];
  const outcome = await carryOut(context, { ...carry, afterwards: { ...nothingAfterwards, records } });
  const change = receipt(context, carry, outcome);
  return { kind: 'Change', change: { ...change, bytesWritten, savedBytes: wish.savedBytes ?? 0, nextCommand } };
}

function sameGeneration(a: GenerationManifest, b: GenerationManifest): boolean {
  const shape = (each: GenerationManifest) => [each.payload, each.backend, each.handlers.map((handler) => handler.configurationDigest)];
  return JSON.stringify(shape(a)) === JSON.stringify(shape(b)) && sameChoices(a.choices, b.choices);
}
