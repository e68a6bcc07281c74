import type { HostPath, HostView } from '../../host/types.ts';
import { atLeast, parseVersion } from '../common/version.ts';

/** What `k0s version` says, without 'v' and '+k0s.0'; undefined where it says nothing of the kind. */
export async function versionOfK0s(host: HostView, program: HostPath): Promise<string | undefined> {
  const said = await host.run(program, ['version'], { timeoutMs: 20_000 }).catch(() => undefined);
  return /^v?(?<version>\d+\.\d+\.\d+)/.exec(said?.stdout ?? '')?.groups?.['version'];
}

/**
 * The schema of the drop-ins that a k0s takes: up to 1.35 (containerd 1.7) it merges tables of schema 2 itself; from 1.36 on (containerd 2.3)
 * it does not start beside one (docs/facts/k0s.md#drop-ins-by-version). The newer one where the version is not known: that keeps no k0s
 * from starting.
 */
export function schemaOf(version: string | undefined): 2 | 3 {
  const parsed = parseVersion(version);
  return parsed !== undefined && !atLeast(parsed, 1, 36) ? 2 : 3;
}
