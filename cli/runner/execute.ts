import { guardUnits } from '../bootGuard/units/index.ts';
import { type Finding, pathWord } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import { allGates, type Baseline, type GateRequest, liveGate, offlineGate } from '../gate/index.ts';
import { beyondStopping, digestOf, type Host, type HostPath, type HostView, tempPathFor, undisturbed } from '../host/index.ts';
import type { Layer } from '../planning/choices/types.ts';
import { keepable } from '../planning/programCopy.ts';
import type { Found } from '../planning/types.ts';
import type { PlannedWiring } from '../planning/wiring.ts';
import type { PodProof } from '../pod/index.ts';
import type { Switch } from '../preflight/switch.ts';
import {
  ensureFolder,
  etcFolder,
  filesBelow,
  foreignFiles,
  fragmentsFolder,
  type GenerationManifest,
  historyFolder,
  imageNumber,
  keepProgram,
  makeGeneration,
  noteFolder,
  programPath,
  type Replaced,
  readPrograms,
  replacedFolder,
  reportFile,
  type Staged,
  schema,
} from '../store/index.ts';
import { type FileStep, type Gate, type Intent, type Outcome, runTransaction } from '../transaction/index.ts';
import { trustFolder } from '../trust/index.ts';
import { askEngine, proveUnchanged, provingGate, refuseUnprovable } from './proving.ts';
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
  const { engines = [], planned, plan, labels } = operation;
  const mended = labels === undefined ? [] : await repairLabels(host, labels);
  const relabelled = mended.length > 0 ? mended : undefined;
  plan.findings.unshift(...repairedFindings(mended));
  if (operation.idle) {
    const kept = await keepCopies(context, operation);
    const result = receipt(host, view.started, operation, undefined, await podsOf(context, operation));
    return ended(host, operation, { ...result, relabelled, changed: kept || relabelled !== undefined });
  }
  for (const found of provable(engines)) await refuseUnprovable(context, found, operation);
  for (const wiring of operation.rehearsed === true ? (planned?.wirings ?? []) : [])
    await view.withScratch(wiring.found, (scratch) => askEngine(host, wiring, planned?.touched ?? [], scratch));
  // Whoever applies a request writes another one afterwards.
  if (operation.leaves !== undefined && (await hasReport(host))) await host.unlink(reportFile);
  await keepCopies(context, operation);
  await makeNew(host, operation, staged);
  const { outcome, pods } = await change(context, view, operation);
  if (operation.leaves !== undefined && planned !== undefined) await endGuard(host);
  return ended(host, operation, { ...receipt(host, view.started, operation, outcome, pods), relabelled });
}

/** Not a file of another program that is called so. */
async function hasReport(host: HostView): Promise<boolean> {
  if ((await host.lstat(reportFile))?.kind !== 'file') return false;
  return /^ {2}"kind": "NodeReport",$/m.test((await host.readText(reportFile)) ?? '');
}

/** A pod is proven where there is nothing to do as well. */
async function podsOf(context: Context, { prove, engines = [], to }: OperationPlan): Promise<PodProof[] | undefined> {
  if (prove === undefined || !context.host.live || engines.length === 0 || to === undefined) return undefined;
  const pods: PodProof[] = [];
  for (const found of provable(engines)) pods.push(...(await proveUnchanged(context, found, to)));
  return pods;
}

async function ended(host: Host, { says, leaves }: OperationPlan, result: ChangeResult): Promise<ChangeResult> {
  if (leaves === undefined) return { ...result, ...says };
  return { ...result, findings: [...result.findings, ...(await foreignFindings(host)), ...leaves], ...says };
}

/** Gives whether the copy of the running program was written. */
async function keepCopies(context: Context, { to, program }: OperationPlan): Promise<boolean> {
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
  const wired = new Set((planned?.wirings ?? []).flatMap(({ wiring }) => wiring.makeFolders.map(({ path }) => path)));
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

function gateOf(context: Context, operation: OperationPlan, proven: { pods?: PodProof[] }): Gate {
  const { host, emit } = context;
  const { planned, engines = [], to, prove } = operation;
  if (engines.length === 0 || planned === undefined) return offlineGate(host, undefined, emit);
  const asked = planned.wirings.flatMap(({ baseline, ...wiring }) => (baseline === undefined ? [] : [{ ...wiring, baseline }]));
  const usual =
    asked.length === 0
      ? offlineGate(host, to, emit)
      : allGates(
          asked.map((wiring) => ({ unit: wiring.found.instance.unit, gate: liveGate(host, gateRequest(context, planned, wiring, to)) })),
        );
  if (prove === undefined || !host.live || to === undefined) return usual;
  return provable(engines).reduce(
    (gate, found) =>
      provingGate(context, gate, found, to, (pods) => {
        proven.pods = [...(proven.pods ?? []), ...pods];
      }),
    usual,
  );
}

/** Where some of the engines have a CRI, only these can start a pod. */
function provable(engines: readonly Found[]): readonly Found[] {
  const there = engines.filter(({ gone }) => gone === undefined);
  const serving = there.filter(({ engine }) => engine.cri !== undefined);
  return serving.length > 0 ? serving : there;
}

function gateRequest(
  { emit, signal }: Context,
  { touched, restored, plan }: Switch,
  { found, wiring, restarts, baseline }: PlannedWiring & { baseline: Baseline },
  to: GenerationManifest | undefined,
): GateRequest {
  return {
    ...found,
    baseline,
    touched,
    restored,
    restarts: restarts.length > 0,
    reads: wiring.reads,
    selinux: wiring.selinux,
    displaced: wiring.displaced,
    // Allowed, or permissive: what the plan said is no surprise to the gate.
    policyDenies: plan.findings.some((finding) => finding.code === 'host-selinux-denies'),
    editedByOthers: wiring.findings.some((finding) => finding.code === 'foreign-edit'),
    emit,
    signal,
    to,
  };
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

/** Units of kata-sysext, where a change of a host puts them. */
const ownUnit = /^\/etc\/systemd\/system\/kata-sysext-[a-z]+\.service$/;

/**
 * PID 1 goes on listing a unit whose file went, as “changed on disk”, until it reads its units again. Asked only where a unit file of
 * kata-sysext went, because a reload reads every unit of the host; where the reload fails, only that listing stays.
 */
export async function forgetUnits(host: HostView, { steps }: Intent, { result }: Outcome): Promise<void> {
  const went = steps.some(
    (step) => step.kind === 'file' && ownUnit.test(step.path) && (result === 'done' ? step.after : step.before) === 'absent',
  );
  if (!went || !host.live) return;
  const systemd = await host.systemd().catch(() => undefined);
  await systemd?.daemonReload().catch(() => undefined);
}

/** Keeps copies of the files that a generation is about to replace, and returns which they are. */
async function keepReplaced(
  host: Host,
  number: number,
  { foreignWiring, shim, name }: Layer,
  { steps }: Pick<Switch, 'steps'>,
): Promise<Replaced> {
  const folder = replacedFolder(number);
  await host.mkdir(folder, 0o700);
  const files: Replaced['files'] = [];
  for (const path of new Set(foreignWiring.marks.map((mark) => mark.path))) {
    const bytes = await host.readFile(path);
    const copy = `${folder}/${files.length}`;
    await host.replaceFile(copy, bytes, tempPathFor(copy), await host.realpath(path));
    // Its label is that of its place; `file` steps give the file the one of its own place again.
    await host.relabel([copy]);
    const step = steps.find((each): each is FileStep => each.kind === 'file' && each.path === path);
    files.push({ path, digest: digestOf(bytes), after: step?.after ?? digestOf(bytes) });
  }
  await host.failpoint('store/replaced');
  return { package: name, shim, handlers: foreignWiring.handlers, files };
}

/** Units of the guard that ran at the boot count as active until they are stopped. Their files went before, so that systemd forgets them then. */
async function endGuard(host: HostView): Promise<void> {
  if (!host.live) return;
  const systemd = await host.systemd();
  for (const { unit, path } of guardUnits(host)) {
    if ((await host.lstat(path)) === undefined) await systemd?.stop(unit, 5000).catch(() => undefined);
  }
}

/** Files of other programs in the folders of kata-sysext, and the administrator's own settings for its handlers: they stay, and are reported. */
async function foreignFindings(host: HostView): Promise<Finding[]> {
  const row =
    (level: Finding['level'], what: string) =>
    (path: string): Finding => {
      const found = `${path} is ${what}; it stays`;
      return {
        code: 'foreign-file',
        level,
        subject: path,
        found,
        needed: 'nothing',
        next: `remove it if nothing needs it: rm ${pathWord(host, path)}`,
      };
    };
  const inOwnFolders = (await foreignFiles(host, [etcFolder]))
    .filter((path) => !path.startsWith(`${trustFolder}/`))
    .map(row('warning', 'no file of kata-sysext'));
  const fragments = (await filesBelow(host, fragmentsFolder)).map(row('info', 'a setting of the administrator'));
  return [...inOwnFolders, ...fragments];
}

/** Keeps a copy of the program where it is one file, and the host's processor can run it. Gives whether it was written. */
async function installProgramCopy(context: Context, backend: string): Promise<boolean> {
  const kept = await keepable(context, backend);
  return kept === undefined ? false : keepProgram(context.host, kept.root, { version: context.program, file: kept.file });
}

/** For a change that makes no generation: keeps the running program where the guard will be that, and no copy of it is there. */
async function installGuardCopy(context: Context, { backend }: Pick<GenerationManifest, 'backend'>, guard?: HostPath): Promise<void> {
  const own = await keepable(context, backend);
  if (own === undefined || guard !== programPath(own.root, context.program)) return;
  if ((await readPrograms(context.host)).every(({ version }) => version !== context.program)) await installProgramCopy(context, backend);
}
