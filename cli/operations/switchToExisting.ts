import { KataError } from '../errors/index.ts';
import { moduleFindings } from '../kernelModules/index.ts';
import { command } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards, switchRecords } from '../planning/records.ts';
import { othersWiring } from '../planning/replaceWiring.ts';
import { planSwitch } from '../planning/switch.ts';
import { programWrites } from '../planning/writes.ts';
import { findEngineToWire, refuse } from '../preflight/engine.ts';
import { refuseHarmful } from '../preflight/harmful.ts';
import { etcFindings } from '../preflight/refusals.ts';
import { refuseFull } from '../preflight/room.ts';
import { carryOut, receipt, rehearse, unchanged } from '../runner/carryOut.ts';
import { installGuardCopy } from '../runner/programCopy.ts';
import { refuseUnprovable } from '../runner/proving.ts';
import { underLock } from '../runner/session.ts';
import type { Answer, Context } from '../runner/types.ts';
import { activeGeneration, type Generation, installAgain, isIntact, nextId, payloadOf } from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';

/** Makes a generation that is already there the active one, wiring included. `choose` says which, under the lock. */
export function switchToExisting(
  context: Context,
  verb: string,
  options: ChangeOptions,
  choose: (from: Generation | undefined) => Promise<Generation>,
): Promise<Answer> {
  return underLock(context, verb, options, async () => {
    const { host } = context;
    const started = host.now();
    refuse(await etcFindings(host), options.allow);
    const from = await activeGeneration(host);
    const target = await choose(from);
    await refuseDamaged(context, target);
    await refuseHarmful(host, from, target, options.allow);
    const to = target.manifest;
    const found = await findEngineToWire(host, options.engine, from?.record.wiring?.engine);
    const id = await nextId(host, await openEntries(host));
    const before = from === undefined ? {} : { from };
    const guard = await guardOf(context, to);
    const theirs = await othersWiring(host, found, from, target);
    const writes = await programWrites(context, to.backend, guard);
    const planned = await planSwitch(host, {
      verb,
      id,
      found,
      to,
      writes,
      options,
      guard,
      loadModules: target.record.loadModules,
      ...before,
      ...theirs,
    });
    const known = new Set(from?.manifest.handlers.map(({ name }) => name));
    planned.plan.findings.push(
      ...(await moduleFindings(
        host,
        to.handlers.filter(({ name }) => !known.has(name)),
      )),
    );
    await refuseFull(host, planned.writes, false, options);
    if (options.dryRun) return { kind: 'Plan', plan: planned.plan };
    const fromNumber = from?.manifest.number;
    const switched = { from, to: to.number, record: target.record, allow: options.allow };
    const afterwards = { ...nothingAfterwards, records: switchRecords(switched, planned, host.live, started) };
    const number = fromNumber === undefined ? {} : { from: fromNumber };
    const prove = options.prove === undefined ? {} : { prove: options.prove };
    const carry = { id, verb, found, planned, to, made: false, started, afterwards, ...number, ...prove };
    if (planned.steps.length === 0) return { kind: 'Change', change: await unchanged(context, carry) };
    await refuseUnprovable(context, found, options);
    await rehearse(context, found, planned);
    await installGuardCopy(context, to, guard);
    const outcome = await carryOut(context, carry);
    const undoCommand = command(host, from === undefined ? 'uninstall' : 'rollback');
    return { kind: 'Change', change: { ...receipt(context, carry, outcome), undoCommand } };
  });
}

async function refuseDamaged({ host }: Context, { manifest }: Generation): Promise<void> {
  const payload = await payloadOf(host, manifest);
  if (payload !== undefined && (await isIntact(host, payload, 'shape'))) return;
  throw new KataError('payload-damaged', {
    subject: `generation ${manifest.number}`,
    found: `its payload ${manifest.payloadFolder} is not there, or files of it are missing or changed`,
    needed: 'the files of the generation',
    next: `install that release again: ${installAgain(manifest)}`,
  });
}
