import { KataError } from '../errors/index.ts';
import { activeGeneration, findGeneration, type Generation, isIntact, nextId, readGeneration, readPayload } from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';
import { carryOut, receipt, rehearse } from './carryOut.ts';
import { command } from './command.ts';
import { findEngine, refuse } from './engine.ts';
import { switchRecords } from './records.ts';
import { etcFindings } from './refusals.ts';
import { underLock } from './session.ts';
import { planSwitch } from './switch.ts';
import type { Answer, ChangeOptions, Context } from './types.ts';

export interface RollbackRequest extends ChangeOptions {
  /** The generation to go to; default: the one that was active before this one. */
  to?: number;
}

/** Back to an earlier generation, wiring included. Twice returns. */
export function rollback(context: Context, request: RollbackRequest): Promise<Answer> {
  return underLock(context, 'rollback', request, () => rollbackLocked(context, request));
}

async function rollbackLocked(context: Context, request: RollbackRequest): Promise<Answer> {
  const { host } = context;
  const started = host.now();
  refuse(await etcFindings(host), request.allow);
  const from = await activeGeneration(host);
  const target = await targetOf(context, from, request.to);
  const to = target.manifest;
  const found = await findEngine(host, request.engine, from?.record.wiring?.engine);
  const id = await nextId(host, await openEntries(host));
  const planned = await planSwitch(host, {
    verb: 'rollback',
    id,
    found,
    to,
    bytesWritten: 0,
    options: request,
    ...(from === undefined ? {} : { from }),
  });
  if (request.dryRun) return { kind: 'Plan', plan: planned.plan };
  const fromNumber = from?.manifest.number;
  const records = switchRecords(fromNumber, to.number, planned, host.live, started);
  const afterwards = { records, dropGenerations: [], dropPayloads: [], purge: false };
  const carry = {
    id,
    verb: 'rollback',
    found,
    planned,
    to,
    made: false,
    started,
    afterwards,
    ...(fromNumber === undefined ? {} : { from: fromNumber }),
  };
  if (planned.steps.length === 0) return { kind: 'Change', change: receipt(context, carry, undefined) };
  await rehearse(context, found, planned);
  const outcome = await carryOut(context, carry);
  return { kind: 'Change', change: { ...receipt(context, carry, outcome), undoCommand: command(host, 'rollback') } };
}

async function targetOf({ host }: Context, from: Generation | undefined, wish: number | undefined): Promise<Generation> {
  const target = wish === undefined ? await before(host, from) : await readGeneration(host, wish);
  const payload = await readPayload(host, target.manifest.payload);
  if (payload !== undefined && (await isIntact(host, payload, 'shape'))) return target;
  throw new KataError('payload-damaged', {
    subject: `generation ${target.manifest.number}`,
    found: `its payload ${target.manifest.payloadFolder} is not there, or files of it are missing or changed`,
    needed: 'the files of the generation',
    next: `install that release again: kata-sysext install ${target.manifest.sources.map((source) => source.name).join(' ')}`,
  });
}

async function before(host: Context['host'], from: Generation | undefined): Promise<Generation> {
  const number = from?.record.previous;
  const previous = number === undefined ? undefined : await findGeneration(host, number);
  if (previous !== undefined && previous.record.state !== 'failed') return previous;
  throw new KataError('no-previous-generation', {
    subject: from === undefined ? 'nothing is installed' : `generation ${from.manifest.number}`,
    found: from === undefined ? 'there is no active generation' : `no generation was active before ${from.manifest.number}, or it is gone`,
    needed: 'an earlier generation',
    next: 'kata-sysext status -v; choose one with rollback --to N',
  });
}
