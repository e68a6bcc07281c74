import type { Host } from '../host/index.ts';
import { guardOf } from '../planning/programCopy.ts';
import { activeRecord, nothingAfterwards } from '../planning/records.ts';
import type { Found } from '../planning/types.ts';
import { checkedSwitch } from '../preflight/switch.ts';
import { runLocked } from '../runner/run.ts';
import type { Context, OperationPlan, View } from '../runner/types.ts';
import {
  activeNumber,
  earlierImageRecords,
  findGeneration,
  type Generation,
  handlerMarks,
  imageNumber,
  isKnownImage,
  isMarked,
  pointer,
  releaseReservedSpace,
  writeRecord,
} from '../store/index.ts';
import { wiredEngines } from './engine.ts';
import { bootOptions } from './rollBackAtBoot.ts';

/**
 * An OS image that boots here for the first time brings a generation. Where it is active, an edited file of the engine may still have the
 * wiring of the earlier image, since an update of the OS leaves edited files alone: then the record says so. Where nothing is active,
 * because the one before was rolled back, it gets its own tries. An installation of the administrator's stays. Gives what was done, in
 * words.
 */
export async function takeBrought(context: Context): Promise<string | undefined> {
  const { host } = context;
  const brought = host.booted ? await findGeneration(host, imageNumber) : undefined;
  if (brought === undefined || (await isKnownImage(host))) return undefined;
  if ((await activeNumber(host)) === imageNumber) return inherit(host, brought);
  if ((await host.lstat(pointer)) !== undefined) return undefined;
  await activate(context, (await inheriting(host, brought)) ?? brought);
  return 'the OS image brought a generation that this host has not had before';
}

async function inherit(host: Host, brought: Generation): Promise<string | undefined> {
  const heir = await inheriting(host, brought);
  if (heir === undefined) return undefined;
  const { schema: _schema, ...record } = heir.record;
  await writeRecord(host, imageNumber, record);
  return 'files of the engine still have the wiring of the earlier image';
}

/** The generation with the wiring that the files have, if that is the one of an earlier image and not its own. */
async function inheriting(host: Host, { manifest, record }: Generation): Promise<Generation | undefined> {
  if (await isPresent(host, record)) return undefined;
  for (const { wiring, edited } of await earlierImageRecords(host)) {
    if (wiring === undefined || !(await isPresent(host, { wiring }))) continue;
    return { manifest, record: { ...record, wiring, edited: edited ?? record.edited } };
  }
  return undefined;
}

async function isPresent(host: Host, { wiring }: Pick<Generation['record'], 'wiring'>): Promise<boolean> {
  for (const mark of handlerMarks(wiring)) if (!isMarked(mark, await host.readText(mark.path))) return false;
  return true;
}

/** Planned from itself: what the merge of /etc has left of it stays, the rest is written. */
async function activate(context: Context, from: Generation): Promise<void> {
  await releaseReservedSpace(context.host);
  const engines = await wiredEngines(context.host, from);
  await runLocked(context, (view) => planTaking(view, from, engines), bootOptions);
}

async function planTaking(view: View, from: Generation, engines: Found[]): Promise<OperationPlan> {
  const { host, id, started } = view;
  const to = from.manifest;
  const guard = await guardOf(view, to);
  const planned = await checkedSwitch(host, { verb: 'boot', id, engines, from, to, options: bootOptions, guard });
  const afterwards = { ...nothingAfterwards, records: [activeRecord(to.number, planned, started)] };
  return { verb: 'boot', plan: planned.plan, idle: false, to, engines, planned, reason: 'the OS image brought it', afterwards };
}
