import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { filesView } from '../common/filesView.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance } from '../types.ts';
import { containerd, pluginOf } from './containerd.ts';
import { settingOf, startOf } from './start.ts';
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
export async function settingsFiles(host: HostView, of: Distribution, unit: Unit): Promise<HostPath[]> {
  const start = await startOf(host, of, unit);
  const registries = await settingOf(filesView(host), start, ['private-registry']);
  return [
    ...(start.config === undefined ? [] : [start.config, `${start.config}.d`]),
    registries?.startsWith('/') === true ? posix.normalize(registries) : `${of.settings}/registries.yaml`,
  ];
}

/** `--data-dir` of the unit's command, else of the settings, else of the environment; else the usual folder. */
export async function configuredDataDir(host: HostView, of: Distribution, unit: Unit): Promise<HostPath> {
  const start = await startOf(host, of, unit);
  const named = await settingOf(filesView(host), start, ['data-dir', 'd'], 'DATA_DIR');
  if (named === undefined && start.config === undefined) throw remoteSettings(of, unit);
  return named?.startsWith('/') === true ? posix.normalize(named).replace(/(?!^)\/+$/, '') : of.dataDir;
}

/** See `Engine.readSettings`. What the administrator names is in the rendered file from the next start on. */
export async function readSettingsOfRancher(host: HostView, of: Distribution, instance: Instance): Promise<Record<string, unknown>[]> {
  const rendered = (await containerd.readSettings?.(host, instance)) ?? [];
  const start = await startOf(host, of, instance.unit ?? of.facts.units[0]!);
  const name = await settingOf(filesView(host), start, ['default-runtime']);
  return name === undefined ? rendered : [...rendered, { plugins: { [pluginOf(3)]: { containerd: { default_runtime_name: name } } } }];
}

function remoteSettings({ facts, dataDir }: Distribution, unit: Unit): Error {
  return unsupported(
    unit,
    `${unit} reads its settings from a web address, which may name another data folder than ${dataDir}.`,
    'The data folder of the node: --data-dir in the command of the unit, or a running containerd.',
    `Start it once: systemctl start ${unit}; or name the folder: systemctl edit ${unit} (${facts.title}: --data-dir ${dataDir})`,
  );
}
