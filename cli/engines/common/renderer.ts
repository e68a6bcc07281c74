import type { HostPath } from '../../host/types.ts';
import type { ReportFacts } from '../types.ts';

/** Of a renderer the support bundle shows no configuration of its own. */
export function hidden(credentials: readonly HostPath[]): ReportFacts {
  return { configuration: [], tables: undefined, keys: undefined, credentials, registries: [], logNoise: undefined, words: [] };
}

/** What works where a node's engine is started by another program. */
export function ownEngine(endpoint: string): string {
  return `a containerd.service or crio.service of the host that the node is configured to use (${endpoint})`;
}

/** Words that make k3s and RKE2 use another CRI, in a command or in YAML. */
export const rancherWords =
  /(?:^|[\s'"])--container-runtime-endpoint[=\s'"]+(?!\S*k3s)\S|(?:^|[\s'"])--docker(?=[\s'"]|$)|^[ \t]*container-runtime-endpoint:[ \t]*["']?(?!\S*k3s)[\w/]|^[ \t]*docker:[ \t]*["']?true/m;

export const explainRendered = 'kata-sysext explain engine-rendered';
