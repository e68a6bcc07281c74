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

export const explainRendered = 'kata-sysext explain engine-rendered';
