import { posix } from 'node:path';
import type { HostPath } from '../../host/types.ts';
import { hidden } from '../common/renderer.ts';
import type { Rendering, ReportFacts } from '../contract.ts';

/** Below the data folder: the rendered configuration with its templates, and images and containers. */
export function foldersIn(dataDir: HostPath): { configuration: HostPath; store: HostPath } {
  return { configuration: posix.join(dataDir, 'agent/etc/containerd'), store: posix.join(dataDir, 'agent/containerd') };
}

/** The rendered configuration has the credentials of registries.yaml. */
export function rancherReport(settings: HostPath, configuration: HostPath): ReportFacts {
  return { ...hidden([settings, configuration]), configuration: [configuration], registries: [`${configuration}/certs.d`] };
}

/** Which name another file than config.yaml. */
export const configOptions = ['config', 'c'];

/** Words that make the program use another CRI, in a command or in YAML. */
const words =
  /(?:^|[\s'"])--container-runtime-endpoint[=\s'"]+(?!\S*k3s)\S|(?:^|[\s'"])--docker(?=[\s'"]|$)|^[ \t]*container-runtime-endpoint:[ \t]*["']?(?!\S*k3s)[\w/]|^[ \t]*docker:[ \t]*["']?true/m;

/** `prefix`: of the variables that the program reads. */
export function rancherExternal(settings: HostPath, prefix: string): NonNullable<Rendering['external']> {
  return {
    words,
    files: [`${settings}/config.yaml`],
    folders: [`${settings}/config.yaml.d`],
    named: { options: configOptions, variable: `${prefix}_CONFIG_FILE` },
  };
}
