import type { Backend } from '../../backends/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { Baseline } from '../../gate/index.ts';
import type { HostView } from '../../host/index.ts';
import { policyFindings } from '../../selinux/index.ts';
import type { GenerationManifest } from '../../store/index.ts';
import type { Found } from './engine.ts';

/** What SELinux has against the pods of a generation; nothing where none comes, or where nothing runs that could start them. */
export async function switchPolicyFindings(
  host: HostView,
  { found, to }: { found: Found; to?: GenerationManifest | undefined },
  backend: Backend,
  baseline: Baseline | undefined,
): Promise<Finding[]> {
  if (to === undefined || baseline === undefined) return [];
  const home = backend.home(to.payloadFolder);
  return await policyFindings(host, { found, handlers: to.handlers, home, dump: baseline.dump });
}
