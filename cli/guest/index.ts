import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { Emit } from '../output/events.ts';
import type { Generation, GenerationHandler } from '../store/index.ts';
import { drifted } from './findings.ts';
import { bootGuest, type Session } from './guest.ts';
import type { GuestBoot, GuestRequest } from './types.ts';

export { effectiveConfiguration } from './effective.ts';
export type { GuestBoot, GuestRequest } from './types.ts';

/**
 * Boots the installed guest with the installed hypervisor, handler after handler, and says whether it came up. Changes nothing: every file
 * is opened read-only, the guest has no network and no folder of the host, and it is ended as soon as its first program runs.
 *
 * @param changed true where files of the generation differ from what was installed: then nothing is started
 * Throws `handler-unknown`, `interrupted`; call {@link needLive} first.
 */
export async function bootGuests(
  host: HostView,
  generation: Generation,
  request: GuestRequest,
  { changed, emit, signal }: { changed: boolean; emit: Emit; signal: AbortSignal },
): Promise<GuestBoot[]> {
  const { manifest } = generation;
  const chosen = chosenHandlers(manifest.handlers, request.handlers);
  const session: Session = { host, generation: manifest.number, request, emit, signal, broken: new Map() };
  const guests: GuestBoot[] = [];
  for (const handler of chosen) guests.push(changed ? left(handler) : await bootGuest(session, handler));
  return softened(guests, request.handlers.length > 0);
}

function left({ name, hypervisor }: GenerationHandler): GuestBoot {
  return { handler: name, hypervisor, reachedInit: false, ok: false, findings: [drifted(name)] };
}

/** A handler that was not named and that nothing but a pod can start does not fail the others. */
function softened(guests: GuestBoot[], named: boolean): GuestBoot[] {
  if (named || !guests.some(({ ok }) => ok)) return guests;
  return guests.map((guest) => ({
    ...guest,
    findings: guest.findings.map((finding) =>
      finding.code === 'guest-not-drivable' ? { ...finding, level: 'warning' as const } : finding,
    ),
  }));
}

/** The handlers of these names, as installed or as the release calls them; without names all. Throws `handler-unknown`. */
export function chosenHandlers(installed: GenerationHandler[], names: string[]): GenerationHandler[] {
  if (names.length === 0) return installed;
  const chosen = names.map((name) => {
    const found = installed.find((handler) => handler.name === name || handler.release === name);
    if (found !== undefined) return found;
    throw new KataError('handler-unknown', {
      subject: name,
      found: `the handler ${name} is not installed`,
      needed: `one of ${installed.map((handler) => handler.name).join(', ')}`,
      next: 'kata-sysext status',
    });
  });
  return [...new Set(chosen)];
}

/** Throws `usage` for a tree that is not running: only its own kernel can boot its guests. */
export function needLive({ live, root }: HostView, option: string): void {
  if (live) return;
  throw new KataError('usage', {
    subject: option,
    found: `${option} with --root ${root}: a guest is booted on the host that has it installed`,
    needed: 'the running host: its hypervisor, its KVM, its paths',
    next: 'run it on the host itself, after its first boot and without --root',
  });
}
