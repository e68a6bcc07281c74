import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { editedByOthers, foreignHandler, presentHandler } from '../common/complaints.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { readFlags } from './daemon.ts';
import { definitionsOf, isSame, leadsToOurs } from './handlers.ts';
import { type ConfigSet, loadSet } from './loader.ts';

/** Another program or user changed the drop-in of kata-sysext. It stays if it still defines the wanted handlers; an edit would be a guess. */
export async function keepAltered(
  host: HostView,
  instance: Instance,
  wanted: WantedHandler[],
  findings: Finding[],
  recorded: Wiring,
): Promise<WiringPlan> {
  const set = await loadSet(host, instance);
  const serves = wanted.every((handler) => definitionsOf(set, handler.name).some(({ value }) => leadsToOurs(value, handler)));
  const stale = recorded.handlers.some(
    ({ name }) => !wanted.some((handler) => handler.name === name) && definitionsOf(set, name).length > 0,
  );
  if (!serves || stale) throw editedByOthers(findings);
  const wiring = { ...recorded, handlers: wanted, key: wiringKey(instance, wanted, 0) };
  return { wiring, changes: [], makeFolders: [], dropFolders: [], findings };
}

/**
 * Sorts the wanted handlers: `missing` ones are to be written; `present` ones already have the exact definition, which stays with its owner.
 * Any other definition of a name is refused: a second table replaces the first one whole, and a flag of the daemon wins over all files.
 */
export async function sortWanted(
  host: HostView,
  instance: Instance,
  set: ConfigSet,
  wanted: readonly WantedHandler[],
): Promise<{ missing: WantedHandler[]; present: Finding[] }> {
  const byFlags = instance.process === undefined ? [] : ((await readFlags(host, instance.process.pid))?.runtimes ?? []);
  const flagged = wanted.find(({ name }) => byFlags.includes(name));
  if (flagged) throw foreignHandler(flagged.name, `The command line or environment of ${instance.unit ?? 'crio'}`);
  const present: Finding[] = [];
  const missing = wanted.filter((handler) => {
    const [first, ...more] = definitionsOf(set, handler.name);
    if (first === undefined) return true;
    if (more.length > 0 || !isSame(first.value, handler)) throw foreignHandler(handler.name, first.file.path);
    present.push(presentHandler(handler.name, first.file.path));
    return false;
  });
  return { missing, present };
}
