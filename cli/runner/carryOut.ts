import { bootScratch } from '../bootGuard/units/index.ts';
import type { Scratch } from '../engines/index.ts';
import { errnoOf, type Finding, KataError } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import { liveGate, offlineGate } from '../gate/index.ts';
import { beyondStopping, type HostView, undisturbed } from '../host/index.ts';
import { askEngine, type Switch } from '../planning/switch.ts';
import type { Found } from '../planning/types.ts';
import type { PodProof } from '../pod/index.ts';
import {
  ensureFolder,
  type GenerationManifest,
  historyFolder,
  imageNumber,
  labelLike,
  namesOf,
  noteFolder,
  schema,
  scratchFolder,
} from '../store/index.ts';
import { type Afterwards, type Intent, type Outcome, runTransaction } from '../transaction/index.ts';
import { forgetUnits } from './forgottenUnits.ts';
import { proveUnchanged, provingGate } from './proving.ts';
import { repairGeneration } from './repairLabels.ts';
import { type Ended, writeSystemJournal } from './systemJournal.ts';
import type { ChangeResult, Context } from './types.ts';

export interface Carry {
  id: number;
  verb: string;
  found?: Found;
  planned?: Switch;
  from?: number;
  to?: GenerationManifest;
  made: boolean;
  reason?: string;
  afterwards: Afterwards;
  started: Date;
  /** `--prove` */
  prove?: 'pod';
}

/** The engine's binary judges copies of the planned files before anything outside our own folders is written. */
export async function rehearse(context: Context, found: Found, planned: Switch): Promise<void> {
  await withScratch(context, found, (scratch) => askEngine(context.host, found, planned, scratch));
}

/** Copies for the engine's binary, in a folder of ours that goes away with them. While the host boots it is one that a full disk does not concern. */
export async function withScratch<T>({ host }: Context, { instance }: Found, work: (scratch: Scratch) => Promise<T>): Promise<T> {
  const own = host.booted && !host.live ? bootScratch : scratchFolder;
  const scratch = async (name: string, text: string) => {
    if ((await host.lstat(own)) === undefined) await host.mkdir(own, 0o700);
    const path = `${own}/${name}`;
    await host.writeFile(path, text, { mode: 0o600 });
    await labelLike(host, [own, path], instance.configPath);
    return path;
  };
  try {
    return await work(scratch);
  } finally {
    await host.removeTree(own);
  }
}

/** Runs the transaction of a planned change and turns its outcome into a result, or into the error that the user sees. */
export async function carryOut(context: Context, carry: Carry): Promise<Outcome & { pods?: PodProof[] }> {
  const { host, emit, signal } = context;
  const { planned, found, to } = carry;
  // A boot changes only what it must.
  const unasked = to !== undefined && (host.live || !host.booted) ? await repairGeneration(host, to) : [];
  planned?.plan.findings.push(...unasked);
  const intent = intentOf(context, carry, await deploymentNow(host));
  const restarts = intent.steps.some((step) => step.kind === 'restart');
  const proven: { pods?: PodProof[] } = {};
  const usualGate =
    found !== undefined && planned?.baseline !== undefined
      ? liveGate(host, {
          ...found,
          baseline: planned.baseline,
          touched: planned.touched,
          restored: planned.restored,
          restarts,
          // Allowed, or permissive: what the plan said is no surprise to the gate.
          policyDenies: planned.plan.findings.some((finding) => finding.code === 'host-selinux-denies'),
          editedByOthers: planned.wiring.findings.some((finding) => finding.code === 'foreign-edit'),
          emit,
          signal,
          ...(to === undefined ? {} : { to }),
        })
      : offlineGate(host, planned === undefined ? undefined : to, emit);
  const note = (pods: PodProof[]) => {
    proven.pods = pods;
  };
  const proves = carry.prove !== undefined && host.live && found !== undefined && to !== undefined;
  const gate = proves ? provingGate(context, usualGate, found, to, note) : usualGate;
  // Noted before it is made: a folder that was there before us is not ours to remove.
  // Those of the wiring are noted in its own record.
  const wired = new Set((planned?.wiring.makeFolders ?? []).map(({ path }) => path));
  for (const step of intent.steps) if (step.kind === 'folder' && !wired.has(step.path)) await noteFolder(host, step.path);
  // The first change on a host that was booted from an image with a generation in it.
  if (!host.image && [to?.number, carry.from].includes(imageNumber)) await ensureFolder(host, historyFolder, 0o700);
  // It looks at the signal itself, between its steps: neither a step nor an undo may be cut off.
  const outcome = await undisturbed(host, async () => {
    const ended = await runTransaction(host, intent, gate, emit, signal);
    await forgetUnits(host, intent, ended);
    await writeSystemJournal(host, endedWith(context, carry, ended));
    return ended;
  });
  if (outcome.result === 'done') {
    beyondStopping(host);
    return { ...outcome, ...proven };
  }
  throw failure(outcome, carry);
}

function intentOf({ program, asked }: Context, carry: Carry, here: Awaited<ReturnType<typeof deploymentNow>>): Intent {
  return {
    schema,
    id: carry.id,
    verb: carry.verb,
    program,
    started: carry.started.toISOString(),
    ...here,
    ...(carry.from === undefined ? {} : { from: carry.from }),
    ...(carry.to === undefined ? {} : { to: carry.to.number }),
    made: carry.made,
    ...(carry.reason === undefined ? {} : { reason: carry.reason }),
    ...asked,
    steps: carry.planned?.steps ?? [],
    afterwards: carry.afterwards,
  };
}

/** A receipt without the parts that only some verbs have. */
export function receipt(context: Context, carry: Carry, outcome: (Outcome & { pods?: PodProof[] }) | undefined): ChangeResult {
  return {
    verb: carry.verb,
    changed: outcome !== undefined,
    ...(carry.from === undefined ? {} : { from: carry.from }),
    ...(carry.to === undefined ? {} : { to: carry.to.number, release: carry.to.release }),
    handlers: carry.to === undefined ? [] : namesOf(carry.to),
    bytesWritten: carry.planned?.plan.bytesWritten ?? 0,
    savedBytes: 0,
    restarted: outcome?.restarted ?? [],
    seconds: secondsSince(context.host, carry.started),
    ...(outcome?.pods === undefined ? {} : { pods: outcome.pods }),
    findings: [...(carry.planned?.plan.findings ?? []), ...(outcome?.findings ?? []), ...unfinished(outcome)],
  };
}

/** The receipt of a change that has nothing to do; a pod is proven all the same. */
export async function unchanged(context: Context, carry: Carry): Promise<ChangeResult> {
  const { prove, found, to } = carry;
  const none = receipt(context, carry, undefined);
  if (prove === undefined || !context.host.live || found === undefined || to === undefined) return none;
  return { ...none, pods: await proveUnchanged(context, found, to) };
}

/** For systemd's journal. */
function endedWith({ host }: Context, { id, verb, from, to, reason, started }: Carry, outcome: Outcome): Ended {
  const { error } = outcome;
  const known = error instanceof KataError ? `${error.complaint.found} [${error.code}]` : String(error);
  const why = error === undefined ? reason : known;
  return {
    id,
    verb,
    result: outcome.result,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to: to.number, release: to.release }),
    ...(why === undefined ? {} : { reason: why }),
    seconds: secondsSince(host, started),
  };
}

function secondsSince(host: HostView, started: Date): number {
  return Math.max(0, Math.round((host.now().getTime() - started.getTime()) / 100) / 10);
}

function unfinished(outcome: Outcome | undefined): Finding[] {
  if (outcome?.unfinished === undefined) return [];
  const found = `the change is made, but its clean-up failed: ${outcome.unfinished}`;
  return [
    { code: 'journal-open', level: 'warning', subject: 'clean-up', found, needed: 'a finished clean-up', next: 'kata-sysext recover' },
  ];
}

function failure(outcome: Outcome, carry: Carry): KataError {
  const cause = outcome.error;
  const known = cause instanceof KataError ? cause : undefined;
  const details = { restarted: outcome.restarted, leftovers: outcome.leftovers, evidence: outcome.evidence.slice(-10) };
  if (outcome.result === 'undone') {
    const code =
      known === undefined ? (errnoOf(cause) === undefined ? 'internal' : 'failed') : known.exitCode === 5 ? 'failed' : known.code;
    return new KataError(code, {
      subject: known?.complaint.subject ?? carry.verb,
      found: `${known?.complaint.found ?? String(cause)}; the host is as it was`,
      needed: known?.complaint.needed ?? 'no fault',
      next: known?.complaint.next ?? `kata-sysext history ${carry.id}`,
      details,
      cause,
    });
  }
  return new KataError('not-restored', {
    subject: carry.verb,
    found: `${known?.complaint.found ?? String(cause)}; and not everything could be put back: ${outcome.leftovers.map((each) => `${each.path}: ${each.found}`).join('; ')}`,
    needed: 'every byte back',
    next: outcome.leftovers.map((each) => each.next).join('; '),
    details,
    cause,
  });
}
