import { parseVersion } from '../common/version.ts';

/** Both programs have Kubernetes' version; from these on they carry containerd 2 (docs/facts/rancher.md#versions). */
const firstKubernetes = 18;
const firstPatch: Record<number, number> = { 31: 6, 32: 2 };

/**
 * The version of containerd that `--engine NAME@VERSION` means, where VERSION is the program's own ('1.33.4', 'v1.30.2+k3s1') or already one of
 * containerd's ('1.7', '2.1.5'); undefined where the text has none.
 */
export function containerdOf(hint: string | undefined): string | undefined {
  const version = parseVersion(hint);
  if (version === undefined) return undefined;
  if (version.major !== 1 || version.minor < firstKubernetes) return hint?.replace(/^v/, '');
  const { minor, patch = 0 } = version;
  return minor > 32 || patch >= (firstPatch[minor] ?? Number.POSITIVE_INFINITY) ? '2.0' : '1.7';
}
