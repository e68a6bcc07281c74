import { posix } from 'node:path';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { changedSinceStart } from '../common/pendingRestarts.ts';
import { firstThere } from '../common/unitFiles.ts';
import { parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { loadSet, patternFolder } from './containerd.ts';
import { templatePath } from './rendered.ts';
import { settingsFiles } from './settings.ts';
import type { Distribution } from './types.ts';

/** See `Engine.pendingRestarts`. The rendered file is left out: the program writes it itself, a moment before it starts containerd. */
export async function pendingRestartsOfRancher(of: Distribution, host: HostView, instance: Instance): Promise<Finding[]> {
  if (!instance.process) return [];
  const folder = posix.dirname(instance.configPath);
  const set = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  const dropIns = set.patterns.flatMap((pattern) => patternFolder(pattern) ?? []);
  const program = await firstThere(host, of.programs);
  const watched: HostPath[] = [
    ...([2, 3] as const).map((schema) => templatePath(folder, schema)),
    ...dropIns.filter((path) => path !== folder),
    ...set.files.slice(1).map(({ path }) => path),
    ...(await settingsFiles(host, of, instance.unit ?? of.facts.units[0]!)),
    ...(program === undefined ? [] : [program]),
  ];
  return changedSinceStart(host, instance, watched);
}
