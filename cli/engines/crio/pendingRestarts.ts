import type { Finding } from '../../errors/index.ts';
import { readTexts } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { changedSinceStart } from '../common/pendingRestarts.ts';
import type { Instance } from '../types.ts';
import { loadSet } from './loader.ts';

/** Read at the start as well: where it is silent, CRI-O takes its storage from there. */
const storageConfig = '/etc/containers/storage.conf';

/**
 * See `Engine.pendingRestarts`. What a reload (SIGHUP) has applied meanwhile counts too: it applies a part only
 * (docs/facts/crio.md#reload).
 */
export async function pendingRestartsOfCrio(host: HostView, instance: Instance): Promise<Finding[]> {
  if (!instance.process) return [];
  const set = await loadSet(host, instance);
  const watched = [...set.files.map((file) => file.path), ...set.folders, storageConfig, ...(await environmentFiles(host, instance))];
  return changedSinceStart(host, instance, watched);
}

/** The unit takes options of the daemon from files (/etc/sysconfig/crio), whose changes systemd does not report. */
async function environmentFiles(host: HostView, instance: Instance): Promise<HostPath[]> {
  const state = instance.unit === undefined ? undefined : await (await host.systemd())?.unit(instance.unit);
  const files = [state?.fragmentPath ?? '', ...(state?.dropInPaths ?? [])].filter(Boolean);
  const texts = await readTexts(host, files);
  return texts.flatMap((text) => [...text.matchAll(/^[ \t]*EnvironmentFile=-?(?<path>\/\S+)/gm)].map((match) => match.groups!['path']!));
}
