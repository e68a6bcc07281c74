import type { HostPath } from '../../host/types.ts';
import type { Refusal, RefusedEngine, Rendering, ReportFacts } from '../contract.ts';

/** Of a renderer the support bundle shows no configuration of its own. */
export function hidden(credentials: readonly HostPath[]): ReportFacts {
  return { configuration: [], tables: undefined, keys: undefined, credentials, registries: [], logNoise: undefined, words: [] };
}

export const explainRendered = 'kata-sysext explain engine-rendered';

/** An operating system, or the image of a cloud, that sets up its own engine: kata-sysext knows it by `host`, and refuses it. */
export function refusedHost(
  { name, title }: Pick<RefusedEngine, 'name' | 'title'>,
  host: NonNullable<Rendering['host']>,
  refusal: Refusal,
): RefusedEngine {
  return {
    kind: 'refused',
    name,
    title,
    units: [],
    programs: [],
    storage: [],
    report: hidden([]),
    renders: { overwrites: undefined, units: [], files: [], host, written: undefined },
    refusal,
  };
}
