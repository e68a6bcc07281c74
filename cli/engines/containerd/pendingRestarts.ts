import { posix } from 'node:path';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { changedSinceStart } from '../common/pendingRestarts.ts';
import { parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { patternFolder } from './globs.ts';
import { loadSet } from './loader.ts';

/** See `Engine.pendingRestarts`: every file by name whose change a restart would bring into effect. */
export async function pendingRestartsOfContainerd(host: HostView, instance: Instance): Promise<Finding[]> {
  if (!instance.process) return [];
  return changedSinceStart(host, instance, await watchedPaths(host, instance));
}

/** All loaded files and the folders of patterns: a file that vanished from one is gone from the set, but the folder's time tells. */
async function watchedPaths(host: HostView, instance: Instance): Promise<HostPath[]> {
  const set = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  const folders = set.patterns.flatMap((pattern) => patternFolder(pattern) ?? []);
  // The main file's own folder changes for many reasons that do not concern the daemon.
  const others = folders.filter((folder) => folder !== posix.dirname(instance.configPath));
  return [...set.files.map((file) => file.path), ...others];
}
