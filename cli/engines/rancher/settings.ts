import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { yamlTexts } from '../common/otherCri.ts';
import { startOfUnit } from '../common/unitFiles.ts';
import type { Instance } from '../types.ts';
import { containerd, pluginOf } from './containerd.ts';
import type { Distribution } from './types.ts';

/** Where the configuration lies below the data folder. */
const agentFolder = 'agent/etc/containerd';

export function configIn(dataDir: HostPath): HostPath {
  return `${dataDir}/${agentFolder}/config.toml`;
}

/** The data folder that a configuration belongs to; undefined where it lies in another place than the program writes to. */
export function dataDirOf(configPath: HostPath): HostPath | undefined {
  const end = `/${agentFolder}/config.toml`;
  return configPath.endsWith(end) && configPath.length > end.length ? configPath.slice(0, -end.length) : undefined;
}

/** The files of the administrator's that the program reads when it starts. */
export function settingsFiles({ settings }: Distribution): HostPath[] {
  return [`${settings}/config.yaml`, `${settings}/config.yaml.d`, `${settings}/registries.yaml`];
}

/** `--data-dir` of the unit's command, else of config.yaml and its drop-ins, whose last one wins; else the usual folder. */
export async function configuredDataDir(host: HostView, of: Distribution, unit: Unit): Promise<HostPath> {
  const start = (await startOfUnit(host, unit)) ?? '';
  const flag = lastOf(start, /\s["']?(?:--data-dir|-d)["']?[=\s]["']?(\/[^\s"']+)/g);
  if (flag !== undefined) return posix.normalize(flag);
  const texts = await yamlTexts(host, [`${of.settings}/config.yaml`], [`${of.settings}/config.yaml.d`]);
  const written = lastOf(texts.join('\n'), /^[ \t]*["']?data-dir["']?:[ \t]*["']?(\/[^\s"'#]+)/gm);
  return written === undefined ? of.dataDir : posix.normalize(written);
}

/** See `Engine.readSettings`. What the administrator names is in the rendered file from the next start on. */
export async function readSettingsOfRancher(host: HostView, of: Distribution, instance: Instance): Promise<Record<string, unknown>[]> {
  const rendered = (await containerd.readSettings?.(host, instance)) ?? [];
  const start = instance.unit === undefined ? '' : ((await startOfUnit(host, instance.unit)) ?? '');
  const texts = await yamlTexts(host, [`${of.settings}/config.yaml`], [`${of.settings}/config.yaml.d`]);
  const name =
    lastOf(start, /\s["']?--default-runtime["']?[=\s]["']?([^\s"']+)/g) ??
    lastOf(texts.join('\n'), /^[ \t]*["']?default-runtime["']?:[ \t]*["']?([^\s"'#]+)/gm);
  return name === undefined ? rendered : [...rendered, { plugins: { [pluginOf(3)]: { containerd: { default_runtime_name: name } } } }];
}

/** The last match that counts, without a slash at its end. */
function lastOf(text: string, pattern: RegExp): string | undefined {
  return [...text.matchAll(pattern)].at(-1)?.[1]?.replace(/(?!^)\/+$/, '');
}
