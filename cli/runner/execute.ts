import type { Finding } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import { liveGate, offlineGate } from '../gate/index.ts';
import { beyondStopping, type Host, undisturbed } from '../host/index.ts';
import type { PodProof } from '../pod/index.ts';
import { askEngine } from '../preflight/switch.ts';
import { ensureFolder, historyFolder, imageNumber, makeGeneration, noteFolder, type Staged, schema } from '../store/index.ts';
import { type Gate, type Intent, type Outcome, runTransaction } from '../transaction/index.ts';
import { forgetUnits } from './forgottenUnits.ts';
import { keepReplaced } from './keepReplaced.ts';
import { endGuard, foreignFindings } from './leaving.ts';
import { installGuardCopy, installProgramCopy } from './programCopy.ts';
import { proveUnchanged, provingGate, refuseUnprovable } from './proving.ts';
import { repairedFindings, repairGeneration, repairLabels } from './repairLabels.ts';
import { endedWith, failure, receipt } from './result.ts';
import { writeSystemJournal } from './systemJournal.ts';
import type { ChangeResult, Context, OperationPlan, View } from './types.ts';

/** Executes a plan: first what is in the folders of kata-sysext, then the transaction. Where that did not commit, throws the error that the user sees. */
export async function execute(
  context: Context,
  view: Pick<View, 'id' | 'started' | 'withScratch'>,
  operation: OperationPlan,
  staged?: Staged,
): Promise<ChangeResult> {
  const { host } = context;
  const { found, planned, plan, labels } = operation;
  const mended = labels === undefined ? [] : await repairLabels(host, labels);
  plan.findings.unshift(...repairedFindings(mended));
  if (operation.idle) {
    const kept = await keepProgram(context, operation);
    const result = receipt(host, view.started, operation, undefined, await podsOf(context, operation));
    return ended(host, operation, { ...result, changed: kept || mended.length > 0 });
  }
  if (found !== undefined) await refuseUnprovable(context, found, operation);
  if (operation.rehearsed === true && found !== undefined && planned !== undefined)
    await view.withScratch(found, (scratch) => askEngine(host, found, planned, scratch));
  await keepProgram(context, operation);
  await makeNew(host, operation, staged);
  const { outcome, pods } = await change(context, view, operation);
  if (operation.leaves !== undefined && planned !== undefined) await endGuard(host);
  return ended(host, operation, receipt(host, view.started, operation, outcome, pods));
}

/** A pod is proven where there is nothing to do as well. */
async function podsOf(context: Context, { prove, found, to }: OperationPlan): Promise<PodProof[] | undefined> {
  if (prove === undefined || !context.host.live || found === undefined || to === undefined) return undefined;
  return proveUnchanged(context, found, to);
}

async function ended(host: Host, { says, leaves }: OperationPlan, result: ChangeResult): Promise<ChangeResult> {
  if (leaves === undefined) return { ...result, ...says };
  return { ...result, findings: [...result.findings, ...(await foreignFindings(host)), ...leaves], ...says };
}

/** Gives whether the copy of the running program was written. */
async function keepProgram(context: Context, { to, program }: OperationPlan): Promise<boolean> {
  if (to === undefined || program === undefined) return false;
  const kept = program.own && (await installProgramCopy(context, to.backend));
  await installGuardCopy(context, to, program.guard);
  return kept;
}

/** Stores the payload, the generation, and copies of the files that the generation replaces. */
async function makeNew(host: Host, { generation, layer, planned, afterwards }: OperationPlan, staged: Staged | undefined): Promise<void> {
  if (generation === undefined) return;
  await staged?.seal();
  const { manifest, configurations } = generation;
  await makeGeneration(host, manifest, configurations);
  if (layer === undefined || planned === undefined || layer.foreignWiring.marks.length === 0) return;
  const replaced = await keepReplaced(host, manifest.number, layer, planned);
  for (const record of afterwards.records) if (record.number === manifest.number) record.replaced = replaced;
}

/** Runs the transaction of a plan. */
async function change(
  context: Context,
  { id, started }: Pick<View, 'id' | 'started'>,
  operation: OperationPlan,
): Promise<{ outcome: Outcome; pods: PodProof[] | undefined }> {
  const { host, emit, signal } = context;
  const { planned, to } = operation;
  // A boot changes only what it must.
  const unasked: Finding[] = to !== undefined && (host.live || !host.booted) ? await repairGeneration(host, to) : [];
  if (planned !== undefined) operation.plan.findings.push(...unasked);
  const intent = await intentOf(context, id, started, operation);
  const proven: { pods?: PodProof[] } = {};
  const gate = gateOf(context, operation, proven);
  // Noted before it is made: kata-sysext never removes a folder that it did not make.
  // The record of the wiring notes the folders of the wiring.
  const wired = new Set((planned?.wiring.makeFolders ?? []).map(({ path }) => path));
  for (const step of intent.steps) if (step.kind === 'folder' && !wired.has(step.path)) await noteFolder(host, step.path);
  // The first change on a host that was booted from an image with a generation in it.
  if (!host.image && [to?.number, operation.from].includes(imageNumber)) await ensureFolder(host, historyFolder, 0o700);
  // It looks at the signal itself, between its steps: neither a step nor an undo may be cut off.
  const outcome = await undisturbed(host, async () => {
    const result = await runTransaction(host, intent, gate, emit, signal);
    await forgetUnits(host, intent, result);
    await writeSystemJournal(host, endedWith(host, id, started, operation, result));
    return result;
  });
  if (outcome.result !== 'done') throw failure(outcome, id, operation.verb);
  beyondStopping(host);
  return { outcome, pods: proven.pods };
}

function gateOf(context: Context, { planned, found, to, prove }: OperationPlan, proven: { pods?: PodProof[] }): Gate {
  const { host, emit, signal } = context;
  if (found === undefined || planned === undefined) return offlineGate(host, undefined, emit);
  const usual =
    planned.baseline === undefined
      ? offlineGate(host, to, emit)
      : liveGate(host, {
          ...found,
          baseline: planned.baseline,
          touched: planned.touched,
          restored: planned.restored,
          restarts: planned.restarts.length > 0,
          reads: planned.wiring.reads,
          // Allowed, or permissive: what the plan said is no surprise to the gate.
          policyDenies: planned.plan.findings.some((finding) => finding.code === 'host-selinux-denies'),
          editedByOthers: planned.wiring.findings.some((finding) => finding.code === 'foreign-edit'),
          emit,
          signal,
          ...(to === undefined ? {} : { to }),
        });
  if (prove === undefined || !host.live || to === undefined) return usual;
  return provingGate(context, usual, found, to, (pods) => {
    proven.pods = pods;
  });
}

async function intentOf({ host, program, asked }: Context, id: number, started: Date, operation: OperationPlan): Promise<Intent> {
  const { verb, from, to, generation, reason, planned, afterwards } = operation;
  return {
    schema,
    id,
    verb,
    program,
    started: started.toISOString(),
    ...(await deploymentNow(host)),
    from,
    to: to?.number,
    made: generation !== undefined,
    reason,
    ...asked,
    steps: planned?.steps ?? [],
    afterwards,
  };
}
