import type { HostPath } from '../../host/types.ts';
import type { ReportFacts } from '../types.ts';

/** Of a renderer the support bundle shows no configuration of its own. */
export function hidden(credentials: readonly HostPath[]): ReportFacts {
  return { configuration: [], tables: undefined, keys: undefined, credentials, registries: [], logNoise: undefined, words: [] };
}

export const explainRendered = 'kata-sysext explain engine-rendered';
