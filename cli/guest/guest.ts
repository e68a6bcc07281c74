import { type Finding, KataError } from '../errors/index.ts';
import { architectureOf, kvmState } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import type { Emit } from '../output/events.ts';
import type { GenerationHandler } from '../store/index.ts';
import { type Attempt, attempt, cameUp, isLate } from './attempt.ts';
import { drivableRow, type GuestFiles, guestCommand, guestFiles } from './commandLine.ts';
import { effectiveConfiguration } from './effective.ts';
import { fileMissing, guestFailed, kvmFails, noKvm } from './findings.ts';
import type { HypervisorRow } from './tables.ts';
import type { Accelerator, GuestBoot, GuestCommand, GuestConfiguration, GuestRequest } from './types.ts';

/** Where an emulation can tell why it did not, a kernel on KVM first has a quarter of the time to name itself, at least 5 s: it takes less than one. */
const kernelMs = ({ timeoutSeconds }: GuestRequest) => Math.max(5000, timeoutSeconds * 250);

/** What the boots of one call have in common. */
export interface Session {
  host: HostView;
  generation: number;
  request: GuestRequest;
  emit: Emit;
  signal: AbortSignal;
  /** Tries with KVM that showed that KVM is broken, by hypervisor and kernel, or by the whole command: ten handlers need not wait ten times. */
  broken: Map<string, Attempt>;
}

/** Boots the guest of one installed handler. Never throws for what is wrong with a guest: that is in its findings. Throws `interrupted`. */
export async function bootGuest(session: Session, handler: GenerationHandler): Promise<GuestBoot> {
  const { host, generation } = session;
  const base = { handler: handler.name, hypervisor: handler.hypervisor, reachedInit: false, ok: false };
  let path: { path: string } | undefined;
  try {
    const configuration = await effectiveConfiguration(host, generation, handler);
    const files = guestFiles(configuration);
    path = { path: files.path };
    const missing = await missingFiles(host, handler.name, files);
    if (missing.length > 0) return { ...base, ...path, findings: missing };
    return { ...base, ...path, ...(await start(session, configuration, files)) };
  } catch (error) {
    if (!(error instanceof KataError) || error.code === 'interrupted') throw error;
    return { ...base, ...path, findings: [error.finding()] };
  }
}

type Outcome = Partial<GuestBoot> & { findings: Finding[] };

/** KVM first, because that is what pods use. Only a broken or missing KVM allows emulation, and only on request. */
async function start(session: Session, configuration: GuestConfiguration, files: GuestFiles): Promise<Outcome> {
  const { host, request } = session;
  const { handler, table } = configuration;
  const row = drivableRow(handler, table);
  const architecture = await architectureOf(host);
  const imageBytes = files.image === undefined ? undefined : (await host.stat(files.image))?.sizeBytes;
  const facts = { architecture: architecture.known ? architecture.value : 'unknown', imageBytes };
  const kvm = guestCommand(configuration, 'kvm', facts);
  const emulated = request.tcg ? orUndefined(() => guestCommand(configuration, 'tcg', facts)) : undefined;
  const present = await kvmState(host);
  if (present.known && !present.value) {
    const why = noKvm(handler, emulated !== undefined);
    return emulated === undefined
      ? { findings: [why] }
      : outcome(row, handler, await run(session, handler, emulated, 'tcg'), 'tcg', request, [why]);
  }
  const key = `${files.path}\0${files.kernel}`;
  const known = session.broken.get(key) ?? session.broken.get(wholeOf(kvm));
  const seen = known ?? (await run(session, handler, kvm, 'kvm', emulated && kernelMs(request)));
  const isBroken = known !== undefined || kvmIsBroken(row, seen);
  if (!isBroken && isLate(seen) && emulated !== undefined) return compared(session, { handler, row, kvm, emulated }, seen);
  if (!isBroken) return outcome(row, handler, seen, 'kvm', request);
  if (known === undefined) session.broken.set(key, seen);
  const why = kvmFails(handler, row, seen, emulated !== undefined);
  if (emulated === undefined) return { accelerator: 'kvm', findings: [why] };
  return outcome(row, handler, await run(session, handler, emulated, 'tcg'), 'tcg', request, [why]);
}

/**
 * KVM started the guest and no kernel was seen in its part of the time. Where a processor that is emulated gets no further, the guest is to
 * blame; where the emulation is faster, KVM is. Else KVM gets the whole time.
 */
async function compared(session: Session, { handler, row, kvm, emulated }: Commands, seen: Attempt): Promise<Outcome> {
  const { request } = session;
  const second = await run(session, handler, emulated, 'tcg');
  if (second.kernel === undefined) return outcome(row, handler, seen, 'kvm', request);
  const isFaster = (second.kernelAt ?? Number.POSITIVE_INFINITY) < seen.milliseconds;
  const hadAll = kernelMs(request) >= request.timeoutSeconds * 1000;
  const last = isFaster || hadAll ? seen : await run(session, handler, kvm, 'kvm');
  if (!isLate(last) && !kvmIsBroken(row, last)) return outcome(row, handler, last, 'kvm', request);
  // Another command may be one that KVM runs: it can be the handler's own words for the processor that stop this one.
  session.broken.set(wholeOf(kvm), last);
  return outcome(row, handler, second, 'tcg', request, [kvmFails(handler, row, last, true)]);
}

interface Commands {
  handler: string;
  row: HypervisorRow;
  kvm: GuestCommand;
  emulated: GuestCommand;
}

function wholeOf({ program, args }: GuestCommand): string {
  return [program, ...args].join('\0');
}

async function run(
  session: Session,
  handler: string,
  command: GuestCommand,
  accelerator: Accelerator,
  kernelWithinMs?: number,
): Promise<Attempt> {
  const { host, request, emit, signal } = session;
  const how = accelerator === 'kvm' ? 'with KVM' : 'emulated (TCG)';
  emit({ kind: 'phase', name: 'guest', detail: `booting the guest of ${handler} ${how}` });
  const seen = await attempt(host, command, accelerator, { timeoutMs: request.timeoutSeconds * 1000, kernelMs: kernelWithinMs, signal });
  if (!signal.aborted) return seen;
  throw new KataError('interrupted', {
    subject: handler,
    found: 'the boot of the guest was interrupted; its hypervisor was ended',
    needed: 'time until the guest is up',
    next: 'run the command again',
  });
}

/**
 * Whether a failed try with KVM says something about KVM, not about the guest: nothing at all for 5 s, the processor stopped by KVM, or an
 * end before any output in which the hypervisor complains of KVM. Anything else is a fault of the guest's files.
 */
function kvmIsBroken({ broken }: HypervisorRow, seen: Attempt): boolean {
  if (seen.reason === 'silent' || /KVM internal error|KVM: entry failed/.test(seen.message)) return true;
  const complains = broken !== undefined && new RegExp(broken, 'i').test(seen.message);
  return seen.reason === 'ended' && seen.kernel === undefined && complains;
}

function outcome(
  row: HypervisorRow,
  handler: string,
  seen: Attempt,
  accelerator: Accelerator,
  request: GuestRequest,
  findings: Finding[] = [],
): Outcome {
  const ok = cameUp(seen);
  return {
    accelerator,
    kernel: seen.kernel,
    milliseconds: seen.kernelAt,
    reachedInit: seen.init && seen.panic === undefined,
    ok,
    findings: ok ? findings : [...findings, guestFailed(handler, row, seen, accelerator, request)],
  };
}

/** Only regular files: a fragment that names a device of the host must not be handed to a guest. */
async function missingFiles(host: HostView, handler: string, files: GuestFiles): Promise<Finding[]> {
  const { pflashes, ...single } = files;
  const all = [...Object.entries(single), ...pflashes.map((path) => ['pflash', path] as const)];
  const found: Finding[] = [];
  for (const [key, path] of all) {
    const there = path.startsWith('/') && !path.includes('\0') ? await host.stat(path) : undefined;
    if (!path.startsWith('/')) found.push(fileMissing(handler, key, path, 'is no absolute path'));
    else if (there === undefined) found.push(fileMissing(handler, key, path, 'is not there'));
    else if (there.kind !== 'file') found.push(fileMissing(handler, key, path, 'is no regular file'));
  }
  return found;
}

function orUndefined<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof KataError) return undefined;
    throw error;
  }
}
