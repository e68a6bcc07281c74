import { type Finding, KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { parseVersion } from '../common/version.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { checkSet } from './checks.ts';
import { definitionsOf, isSame, leadsToOurs } from './handlers.ts';
import { type ConfigSet, loadSet } from './loader.ts';
import { rangeTarget } from './placement.ts';

/** Somebody changed text of ours. It may stay while it still offers what is wanted; changing it would be guessing. */
export async function keepAltered(
  host: HostView,
  instance: Instance,
  wanted: WantedHandler[],
  findings: Finding[],
  recorded: Wiring,
): Promise<WiringPlan> {
  const set = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  checkSet(set, instance);
  const serves = wanted.every((handler) => definitionsOf(set, handler.name).some(({ value }) => leadsToOurs(value, handler)));
  const stale = recorded.handlers.find(
    ({ name }) => !wanted.some((handler) => handler.name === name) && definitionsOf(set, name).length > 0,
  );
  if (serves && !stale) {
    const key = wiringKey(instance, wanted, set.schema ?? 0);
    return { wiring: { ...recorded, handlers: wanted, key }, changes: [], makeFolders: [], dropFolders: [], findings };
  }
  const edited = findings.find(({ code }) => code === 'foreign-edit')!;
  throw new KataError('foreign-edit', {
    subject: edited.subject,
    found: edited.found,
    needed: 'The text that kata-sysext wrote, because the change has to replace it.',
    next: `Move your own settings out of the text of kata-sysext in ${edited.subject}, or remove that text, then try again.`,
  });
}

/** Which handlers have to be written; those that somebody defined exactly as we would are left to them. */
export function sortWanted(
  set: ConfigSet,
  wanted: readonly WantedHandler[],
  anywhere: boolean,
): { missing: WantedHandler[]; present: Finding[] } {
  const present: Finding[] = [];
  const missing = wanted.filter((handler) => {
    const definitions = definitionsOf(set, handler.name);
    if (definitions.length === 0) return true;
    const [{ file, value }] = definitions as [(typeof definitions)[0]];
    if (definitions.length > 1 || !isSame(value, handler) || !(anywhere || file === rangeTarget(set))) {
      throw new KataError('engine-foreign-handler', {
        subject: handler.name,
        found: `${file.path} already defines a handler named ${handler.name}, and not as kata-sysext would.`,
        needed: 'A name that nobody else defines.',
        next: `Remove the table of ${handler.name} from ${file.path}, or take over that installation: kata-sysext adopt.`,
      });
    }
    present.push({
      code: 'engine-foreign-handler',
      level: 'info',
      subject: handler.name,
      found: `${file.path} already defines ${handler.name} exactly as needed; it is left to its owner.`,
      needed: 'Nothing.',
      next: 'Nothing needs to be done.',
    });
    return false;
  });
  return { missing, present };
}
