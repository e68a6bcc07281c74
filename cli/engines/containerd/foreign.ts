import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { editedByOthers, foreignHandler, presentHandler } from '../common/complaints.ts';
import { filesView } from '../common/filesView.ts';
import { parseVersion, type Version } from '../common/version.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { checkSet } from './checks.ts';
import { definitionsOf, isSame, leadsToOurs, shimIsType } from './handlers.ts';
import { type ConfigSet, loadSet } from './loader.ts';
import { rangeTarget } from './placement.ts';

/** Another program or user changed the text of kata-sysext. The text stays if it still defines the wanted handlers; an edit would be a guess. */
export async function keepAltered(
  host: HostView,
  instance: Instance,
  wanted: WantedHandler[],
  findings: Finding[],
  recorded: Wiring,
): Promise<WiringPlan> {
  const set = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  checkSet(set, instance, host);
  const serves = wanted.every((handler) => definitionsOf(set, handler.name).some(({ value }) => leadsToOurs(value, handler)));
  const stale = recorded.handlers.find(
    ({ name }) => !wanted.some((handler) => handler.name === name) && definitionsOf(set, name).length > 0,
  );
  if (serves && !stale) {
    const key = wiringKey(instance, wanted, set.schema ?? 0, shimIsType(parseVersion(instance.version)));
    return { wiring: { ...recorded, handlers: wanted, key }, changes: [], makeFolders: [], dropFolders: [], findings };
  }
  throw editedByOthers(findings);
}

/** Sorts the wanted handlers: `missing` ones are to be written; `present` ones already have the exact definition, which stays with its owner. */
export function sortWanted(
  set: ConfigSet,
  wanted: readonly WantedHandler[],
  anywhere: boolean,
  version?: Version,
): { missing: WantedHandler[]; present: Finding[] } {
  const present: Finding[] = [];
  const missing = wanted.filter((handler) => {
    const definitions = definitionsOf(set, handler.name);
    if (definitions.length === 0) return true;
    const [{ file, value }] = definitions as [(typeof definitions)[0]];
    if (definitions.length > 1 || !isSame(value, handler, version) || !(anywhere || file === rangeTarget(set))) {
      throw foreignHandler(handler.name, file.path);
    }
    present.push(presentHandler(handler.name, file.path));
    return false;
  });
  return { missing, present };
}
