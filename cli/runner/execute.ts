import { guardUnits } from '../bootGuard/units/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import { liveGate, offlineGate } from '../gate/index.ts';
import { beyondStopping, digestOf, type Host, type HostPath, type HostView, undisturbed } from '../host/index.ts';
import type { Layer } from '../planning/choices/types.ts';
import { keepable } from '../planning/programCopy.ts';
import type { Found } from '../planning/types.ts';
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
  type Staged,
  schema,
} from '../store/index.ts';
import { type FileStep, type Gate, type Intent, type Outcome, runTransaction } from '../transaction/index.ts';
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
    const kept = await keepCopies(context, operation);
    const result = receipt(host, view.started, operation, undefined, await podsOf(context, operation));
    return ended(host, operation, { ...result, changed: kept || mended.length > 0 });
  }
  if (found !== undefined) await refuseUnprovable(context, found, operation);
  if (operation.rehearsed === true && found !== undefined && planned !== undefined)
    await view.withScratch(found, (scratch) => askEngine(host, found, planned, scratch));
  await keepCopies(context, operation);
  await makeNew(host, operation, staged);
  const { outcome, pods } = await change(context, view, operation);
  if (operation.leaves !== undefined && planned !== undefined) await endGuard(host);
  return ended(host, operation, receipt(host, view.started, operation, outcome, pods));
}

/** Asks the engine's own binary about copies of the planned files. `scratch` writes a copy into a folder of kata-sysext. */
async function askEngine(
  host: HostView,
  found: Found,
  planned: Switch,
  scratch: (name: string, text: string) => Promise<string>,
): Promise<void> {
  if (!host.booted || planned.wiring.changes.length === 0) return;
  const { dump } = found.engine;
  if (dump === undefined) return;
  const { others, warnings } = await dump.validate(host, found.instance, planned.wiring, scratch);
  if (others.length === 0 && warnings.length === 0) return;
  throw new KataError('engine-rejects', {
    subject: found.instance.configPath,
    found: `the change would alter more than the handlers of kata-sysext: ${[...others, ...warnings].slice(0, 5).join('; ')}`,
    needed: `only ${planned.touched.join(', ')} to differ in the effective configuration`,
    next: `look at: ${dump.showCommand(found.instance)}`,
    details: { keys: others, warnings },
  });
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
          to,
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
    await host.writeFile(`${folder}/${files.length}`, bytes, { mode: 0o600 });
    const step = steps.find((each): each is FileStep => each.kind === 'file' && each.path === path);
    const { mode } = (await host.stat(path))!;
    files.push({ path, digest: digestOf(bytes), mode, after: step?.after ?? digestOf(bytes) });
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
      return { code: 'foreign-file', level, subject: path, found, needed: 'nothing', next: `remove it if nothing needs it: rm ${path}` };
    };
  const inOwnFolders = (await foreignFiles(host, [etcFolder])).map(row('warning', 'no file of kata-sysext'));
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
