import type { Backend } from '../backends/index.ts';
import type { Finding } from '../errors/index.ts';
import type { Baseline } from '../gate/index.ts';
import type { HostView } from '../host/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import type { Found } from '../planning/types.ts';
import { policyFindings } from '../selinux/index.ts';
import type { Generation, GenerationManifest } from '../store/index.ts';
import { refuse } from './engine.ts';

interface Switching {
  found: Found;
  from?: Generation | undefined;
  to?: GenerationManifest | undefined;
  options: Pick<ChangeOptions, 'allow'>;
}

/**
 * What SELinux has against the pods of a generation; nothing where none comes, or where nothing runs that could start them. Throws
 * `host-selinux-denies`, unless it is allowed now or was for the active generation.
 */
export async function refuseDenied(
  host: HostView,
  { found, from, to, options }: Switching,
  backend: Backend,
  baseline: Baseline | undefined,
  ask: typeof policyFindings = policyFindings,
): Promise<Finding[]> {
  if (to === undefined || baseline === undefined) return [];
  const home = backend.payloadDir(to.payloadFolder);
  const denied = await ask(host, { found, handlers: to.handlers, home, dump: baseline.dump });
  return refuse(denied, [...options.allow, ...(from?.record.allowed ?? [])]);
}
