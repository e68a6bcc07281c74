import { posix } from 'node:path';
import { parseDocument, type TomlTable, tableAt, valueAt } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { rejected } from '../common/complaints.ts';
import type { Scratch } from '../contract.ts';
import type { EffectiveDiff, Instance, WiringPlan } from '../types.ts';
import { compareDumps, dumpOf, dumpReal } from './dump.ts';
import { handlerTable, runtimesOf, runtimesPath } from './handlers.ts';
import { loadSet } from './loader.ts';

export async function validateCrio(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff> {
  const before = await dumpReal(host, instance);
  const after = await plannedDump(host, instance, plan, scratch);
  const wanted = plan.wiring?.handlers ?? [];
  const diff = compareDumps(before, after, [...wanted.map((handler) => handler.name), ...formerHandlers(plan)]);
  // CRI-O silently drops keys that it does not know, so the table of each handler in its dump is compared with the planned one.
  for (const handler of wanted) diff.warnings.push(...misread(after, handler.name, handlerTable(handler)));
  return diff;
}

/**
 * See `Engine.renderPlanned`. The copies lie in one folder, named by their order, and are loaded as drop-ins: to CRI-O the main file is nothing
 * but the first of them.
 */
export async function plannedDump(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<TomlTable> {
  const overlay = new Map(plan.changes.map((change) => [change.path, change.after === 'absent' ? ('absent' as const) : change.after.text]));
  const { files } = await loadSet(host, instance, overlay);
  let folder: HostPath = posix.dirname(await scratch('0000.conf', ''));
  for (const [index, file] of files.entries()) {
    folder = posix.dirname(await scratch(`${String(index + 1).padStart(4, '0')}.conf`, file.doc.text));
  }
  return dumpOf(host, instance, '', folder).catch((error: unknown) => {
    throw rejected(instance, error);
  });
}

function misread(dump: TomlTable, name: string, wanted: TomlTable): string[] {
  const found = tableAt(dump, [...runtimesPath, name]);
  const keys = Object.keys(wanted).filter((key) => valueAt(found, [key]) !== wanted[key]);
  return keys.map((key) => `CRI-O does not take ${key} of ${name} as it is written`);
}

/** Handlers in texts of kata-sysext that the plan replaces or removes. */
function formerHandlers(plan: WiringPlan): string[] {
  return plan.changes.flatMap(({ path, ours }) =>
    ours.flatMap((text) => runtimesOf(parseDocument(text, path).value).map(([name]) => name)),
  );
}
