import type { HostView } from '../host/index.ts';
import { activeGeneration, type Generation, nextId, pointedElsewhere, readGenerations } from '../store/index.ts';
import { openEntries, parkedGenerations } from '../transaction/index.ts';
import { carryOut, receipt } from './carrying/carryOut.ts';
import { underLock } from './carrying/session.ts';
import { dropPlan, whatGoes } from './dropping.ts';
import { belongsToImage } from './refusing/ofImage.ts';
import { runningPayloads } from './refusing/running.ts';
import type { Answer, ChangeOptions, Context } from './types.ts';

export interface GcRequest extends ChangeOptions {
  /** How many of the newest generations stay besides those that must. */
  keep: number;
}

/** Removes old generations and the payloads that nothing names any more. The active one, the one before it, pinned and running ones stay. */
export function gc(context: Context, request: GcRequest): Promise<Answer> {
  return underLock(context, 'gc', request, async () => {
    const { host } = context;
    const started = host.now();
    const all = await readGenerations(host);
    const stay = await staying(host, all, request.keep);
    const go = all.filter(({ manifest }) => !stay.has(manifest.number) && !belongsToImage(host, manifest));
    const kept = new Set(all.filter((generation) => stay.has(generation.manifest.number)).map((generation) => generation.manifest.payload));
    const payloads = [...new Set(go.map((generation) => generation.manifest.payload))].filter((digest) => !kept.has(digest));
    const id = await nextId(host, await openEntries(host));
    const numbers = go.map((generation) => generation.manifest.number);
    const afterwards = { records: [], dropGenerations: numbers, dropPayloads: payloads, purge: false };
    const carry = { id, verb: 'gc', made: false, started, afterwards };
    const goes = await whatGoes(host, all, afterwards);
    if (request.dryRun) return { kind: 'Plan', plan: dropPlan('gc', numbers, goes) };
    const outcome = go.length === 0 ? undefined : await carryOut(context, carry);
    return { kind: 'Change', change: { ...receipt(context, carry, outcome), removedGenerations: numbers, freedBytes: goes.freedBytes } };
  });
}

async function staying(host: HostView, all: Generation[], keep: number): Promise<Set<number>> {
  const active = await activeGeneration(host);
  const running = await runningPayloads(host);
  const newest = all.map((generation) => generation.manifest.number).slice(keep === 0 ? all.length : -keep);
  const used = all
    .filter(({ record, manifest }) => record.pinned === true || running.has(manifest.payloadFolder))
    .map(({ manifest }) => manifest.number);
  return new Set(
    [
      ...(await pointedElsewhere(host)),
      ...(await parkedGenerations(host)),
      active?.manifest.number,
      active?.record.previous,
      ...newest,
      ...used,
    ].filter((number) => number !== undefined),
  );
}
