import type { TomlTable } from '../../documents/toml/index.ts';
import type { HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { atLeast, parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { loadSet } from './loader.ts';
import { rangeTarget } from './placement.ts';
import { inUsualCase, mergingOf } from './schema.ts';

/** See `Engine.readSettings`. 1.x takes the table of a plugin whole from the last file that has it. */
export async function readSettingsOfContainerd(host: HostView, instance: Instance): Promise<TomlTable[]> {
  const version = parseVersion(instance.version);
  const set = await loadSet(filesView(host), instance.configPath, version);
  if (set.files.length === 0) return [];
  const counting = mergingOf(version, set.schema) === 'replaces' ? [rangeTarget(set)] : set.files;
  const isExact = version !== undefined && !atLeast(version, 2, 0);
  return counting.map(({ doc }) => (isExact ? doc.value : inUsualCase(doc.value)));
}
