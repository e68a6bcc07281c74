import type { Finding } from '../errors/index.ts';
import { command } from '../output/index.ts';
import type { ChangeOptions, Layer } from '../planning/choices/types.ts';
import { configurationDiffs } from '../planning/configurations.ts';
import { guardFindings, guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards, switchRecords } from '../planning/records.ts';
import { planSwitch } from '../planning/switch.ts';
import type { Found } from '../planning/types.ts';
import { generationWrites, programWrites, type Write } from '../planning/writes.ts';
import { refuse } from '../preflight/engine.ts';
import { refuseSecond } from '../preflight/imageRules.ts';
import { needFindings } from '../preflight/needs.ts';
import { refuseFull } from '../preflight/room.ts';
import { carryOut, receipt, rehearse } from '../runner/carryOut.ts';
import { keepReplaced } from '../runner/keepReplaced.ts';
import { installProgramCopy } from '../runner/programCopy.ts';
import { refuseUnprovable } from '../runner/proving.ts';
import type { Answer, Context } from '../runner/types.ts';
import { type Choices, drawGeneration, type Generation, imageNumber, lastNumber, makeGeneration, type Origin } from '../store/index.ts';
import { stage } from './stage.ts';

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
  /** Whose place it takes. */
  layer?: Layer;
}

/** The generation to make. */
export interface NewGeneration {
  origin: Origin;
  choices: Choices;
  backend: string;
  /** Where the payload's files are on the host once it is active. */
  home: string;
  /** The store gets the payload by this change. */
  fresh?: boolean;
  /** What staging and sealing write. */
  writes?: Write[];
  savedBytes?: number;
  /** What the choices need of the host. */
  findings?: Finding[];
  /** Text of a file of the payload, where it is now. */
  readText(path: string): Promise<string>;
  /** Puts the payload into the store. */
  seal?(): Promise<void>;
}

/** Makes a generation and makes it the active one. */
export async function activateNew(change: Change, wish: NewGeneration): Promise<Answer> {
  const { context, verb, options, found, id, started, from, layer } = change;
  const { host } = context;
  const { origin, choices, backend, home, readText, fresh = false } = wish;
  await refuseSecond(host, from);
  const number = host.image ? imageNumber : (await lastNumber(host)) + 1;
  const { program } = context;
  const drawn = await drawGeneration({ origin, choices, home, backend, number, program, created: started.toISOString(), readText });
  const to = drawn.manifest;
  const noted = refuse(wish.findings ?? [], options.allow);
  const writes = [...(wish.writes ?? []), ...(await programWrites(context, backend, 'always')), ...generationWrites(drawn)];
  const loadModules = options.loadModules ?? from?.record.loadModules;
  if (change.stage === true) return stage(change, { ...wish, writes }, drawn, noted);
  const guard = await guardOf(context, to);
  const ends = { to, ...(from === undefined ? {} : { from }) };
  const theirs =
    layer === undefined ? {} : { foreignWiring: layer.foreignWiring, ...(layer.step === undefined ? {} : { layer: layer.step }) };
  const planned = await planSwitch(host, { verb, id, found, fresh, writes, options, guard, loadModules, ...ends, ...theirs });
  planned.plan.findings.unshift(...noted, ...(await refuseFull(host, planned.writes, wish.writes !== undefined, options)));
  planned.plan.findings.push(...guardFindings(context, to, guard));
  const configurations = await configurationDiffs(host, from, drawn);
  if (configurations.length > 0) planned.plan.configurations = configurations;
  // Only of those that come: what the host lacks for the others was told when they came.
  const known = new Set(from?.manifest.handlers.map((handler) => handler.name));
  const coming = to.handlers.filter((handler) => !known.has(handler.name)).map((handler) => handler.release);
  planned.plan.findings.push(...(await needFindings(host, coming)));
  if (options.dryRun) return { kind: 'Plan', plan: planned.plan };
  await refuseUnprovable(context, found, options);
  await rehearse(context, found, planned);
  await installProgramCopy(context, to.backend);
  await wish.seal?.();
  await makeGeneration(host, to, drawn.configurations);
  const replaced =
    layer === undefined || layer.foreignWiring.marks.length === 0 ? {} : { replaced: await keepReplaced(host, number, layer, planned) };
  const fromNumber = from?.manifest.number;
  const records = switchRecords(
    { from, to: number, allow: options.allow, ...(loadModules === false ? { loadModules } : {}) },
    planned,
    host.live,
    started,
  );
  const carry = {
    id,
    verb,
    found,
    planned,
    to,
    made: true,
    started,
    ...(options.prove === undefined ? {} : { prove: options.prove }),
    ...(fromNumber === undefined ? {} : { from: fromNumber }),
    afterwards: { ...nothingAfterwards, records: records.map((each) => (each.number === number ? { ...each, ...replaced } : each)) },
  };
  const outcome = await carryOut(context, carry);
  const undoCommand = command(host, fromNumber === undefined ? 'uninstall' : 'rollback');
  const next = layer === undefined ? {} : { nextCommand: layer.nextCommand };
  return { kind: 'Change', change: { ...receipt(context, carry, outcome), savedBytes: wish.savedBytes ?? 0, ...next, undoCommand } };
}
