import { exceptKeys, exceptSwitch, setsLabels, switchCode } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { GateRequest } from './types.ts';

/** Whatever the engine's binary says of the real files, the change has begun: a refusal (exit 3) would be a lie. */
export function asGateFailure(error: unknown): never {
  if (!(error instanceof KataError) || error.code === 'gate-failed') throw error;
  throw new KataError('gate-failed', { ...error.complaint, cause: error });
}

export async function onlyOwnHandlersDiffer(
  host: HostView,
  { engine, instance, baseline, touched, selinux, displaced }: GateRequest,
): Promise<void> {
  if (engine.dump === undefined) return;
  const diff = exceptKeys(engine.dump.compare(baseline.dump, await engine.dump.dumpEffective(host, instance), touched), displaced);
  const { others, warnings } = selinux === undefined ? diff : exceptSwitch(engine, diff);
  if (others.length === 0 && warnings.length === 0) return;
  throw new KataError('gate-failed', {
    subject: instance.configPath,
    found: `${engine.name} would change more than kata-sysext’s handlers: ${[...others, ...warnings].slice(0, 5).join('; ')}`,
    needed: `only ${touched.join(', ')} to differ`,
    next: `compare with: ${engine.dump.showCommand(instance)}`,
    details: { keys: others },
  });
}

/** By the files that the daemon has read by now. */
export async function labelsAreOn(host: HostView, { engine, instance }: GateRequest): Promise<void> {
  if (engine.dump === undefined || setsLabels(engine, await engine.dump.dumpEffective(host, instance))) return;
  throw new KataError('gate-failed', {
    subject: instance.configPath,
    found: `${engine.name} gives pods no SELinux labels, although the change turned them on (--allow ${switchCode})`,
    needed: engine.selinux.setting,
    next: `look at: ${engine.dump.showCommand(instance)}`,
  });
}
