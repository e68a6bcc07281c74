import { chooseBackend } from '../backends/index.ts';
import { readFacts } from '../facts/index.ts';
import { imageFindings, makerFindings } from '../images/index.ts';
import { canRepair, surveyLabels } from '../labels/index.ts';
import { installedName } from '../layout/index.ts';
import { aliasesAfter, withAdopted } from '../planning/choices/aliases.ts';
import { keptChoices, sameChoices } from '../planning/choices/choices.ts';
import { chooseFormat } from '../planning/choices/format.ts';
import { givenFindings, givenImage, limitedTo } from '../planning/choices/givenImage.ts';
import { explainMissingHandlers } from '../planning/choices/missingHandlers.ts';
import { choiceFindings, noSettings, withSettings } from '../planning/choices/settings.ts';
import type { InstallRequest } from '../planning/choices/types.ts';
import { refuseFamilyChange, replacedHandlers, sameFiles, wantedHandlers } from '../planning/choices/wanted.ts';
import { guardFindings, guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { planSwitch } from '../planning/switch.ts';
import { payloadWrites, programWrites } from '../planning/writes.ts';
import { findEngineToWire, refuse } from '../preflight/engine.ts';
import { refuseSecond, refuseWaiting } from '../preflight/imageRules.ts';
import { hostFindings } from '../preflight/refusals.ts';
import { refuseFull } from '../preflight/room.ts';
import { carryOut, receipt, rehearse, unchanged } from '../runner/carryOut.ts';
import { installGuardCopy, installProgramCopy } from '../runner/programCopy.ts';
import { refuseUnprovable } from '../runner/proving.ts';
import { filesText, repairedFindings, repairLabels } from '../runner/repairLabels.ts';
import { underLock } from '../runner/session.ts';
import { takeImage } from '../runner/takeImage.ts';
import type { Answer, Context } from '../runner/types.ts';
import { unpack } from '../runner/unpack.ts';
import { activeGeneration, type Choices, type Generation, nextId, originOf } from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';
import { activateNew, type Change } from './activateNew.ts';

/** Turns a release into a generation of this host and makes it the active one. A repeated install writes nothing. */
export function install(context: Context, request: InstallRequest): Promise<Answer> {
  return underLock(context, 'install', request, () => installLocked(context, request));
}

/** The same for a change that holds the lock already. */
export async function installLocked(context: Context, request: InstallRequest, verb = 'install'): Promise<Answer> {
  const { host } = context;
  const started = host.now();
  refuseWaiting(host, request.stage === true);
  const facts = await readFacts(host);
  const from = await activeGeneration(host);
  const backend = await chooseBackend(host, facts, request.backend, from?.manifest.backend);
  const given = await givenImage(request);
  const format = chooseFormat(request, backend.name, from?.manifest, given);
  refuse(await hostFindings(host, facts, backend), request.allow);
  if (format !== 'directory') refuse(await imageFindings(host, format), request.allow);
  if (format !== 'directory') refuse(await (given === undefined ? makerFindings(host, format) : givenFindings(host, given)), request.allow);
  const found = await findEngineToWire(host, request.engine, from?.record.wiring?.engine);
  const id = await nextId(host, await openEntries(host));
  const change = {
    context,
    verb,
    options: request,
    found,
    id,
    started,
    stage: request.stage === true,
    ...(from === undefined ? {} : { from }),
    ...(request.layer === undefined ? {} : { layer: request.layer }),
  };
  const wishes = request.wishes ?? noSettings;
  const sameForm = from?.manifest.backend === backend.name && from.manifest.format === format;
  const takes = (request.layer?.foreignWiring.marks.length ?? 0) > 0;
  if (from !== undefined && !takes && sameForm && (await sameFiles(host, from, request, context.signal))) {
    const readText = async (path: string) => (await host.readFile(`${from.manifest.payloadFolder}/${path}`)).toString();
    const kept = chosen(context, request, from, namesIn(from.manifest));
    const choices = await withSettings(kept, { handlers: from.manifest.handlers, wishes, readText });
    if (sameChoices(choices, from.manifest.choices)) return change.stage ? activeAlready(change, from) : repeat(change, from);
  }
  await refuseSecond(host, from);
  const wanted = wantedHandlers(host, request, from);
  // What can be refused before hundreds of megabytes are unpacked is refused now.
  if (wanted !== undefined) chosen(context, request, from, wanted.map(installedName));
  const root = backend.root(facts);
  const unpacking =
    given === undefined
      ? unpack(context, request, facts, { root, format, backend: backend.name }, wanted)
      : takeImage(context, given, { request, facts, root, wanted, backend: backend.name });
  const staged = await unpacking.catch((error: unknown) => Promise.reject(explainMissingHandlers(host, error, request, from)));
  try {
    const payload = limitedTo(staged.manifest, wanted);
    refuseFamilyChange(host, from, payload, request);
    const readText = async (path: string) => (await host.readFile(`${staged.tree}/${path}`)).toString();
    const wished = { handlers: payload.handlers, wishes, readText };
    const kept = chosen(context, request, from, namesIn(payload));
    const choices = await withSettings(kept, wished);
    return await activateNew(change, {
      origin: originOf(payload, request.keepPaths === true && !host.image ? request.sources : undefined),
      choices,
      findings: [...(await choiceFindings(host, kept, choices, wished)), ...(request.layer?.findings ?? [])],
      backend: backend.name,
      home: backend.payloadDir(payload.folder),
      fresh: !staged.known,
      writes: payloadWrites(staged),
      savedBytes: payload.savedBytes,
      readText,
      seal: staged.seal,
    });
  } finally {
    // The change is decided by now: what stays of the staging folder is rubbish, and tidy removes it.
    await staged.discard().catch(() => undefined);
  }
}

/** What was chosen before, for the handlers that stay, and what this command says of it. */
function chosen({ host }: Context, request: InstallRequest, from: Generation | undefined, names: string[]): Choices {
  const replaced = replacedHandlers(request);
  const kept = keptChoices(
    from?.manifest.choices,
    names.filter((name) => !replaced.includes(name)),
  );
  const adopted = (request.layer?.handlers ?? []).filter((name) => !Object.hasOwn(kept.aliases, name));
  const wishes = withAdopted(host, request.aliases ?? [], adopted, names);
  return { ...kept, aliases: aliasesAfter(host, from, wishes, names) };
}

function namesIn({ handlers }: { handlers: { name: string }[] }): string[] {
  return handlers.map((handler) => handler.name);
}

/** What shall be staged is active. Where the host drifted from it, that stays: staging touches neither the engine nor the pointer. */
function activeAlready({ context, options, id, started }: Change, { manifest }: Generation): Answer {
  const both = { verb: 'stage', from: manifest.number };
  const none = { steps: [], restarts: [], dependents: [], gate: [], bytesWritten: 0, writes: [], findings: [] };
  if (options.dryRun) return { kind: 'Plan', plan: { ...both, to: manifest.number, ...none } };
  const carry = { ...both, id, to: manifest, made: false, started, afterwards: nothingAfterwards };
  return { kind: 'Change', change: receipt(context, carry, undefined) };
}

/** Nothing differs from what is active: nothing to do, unless the host drifted from it. */
async function repeat({ context, verb, options, found, id, started, layer }: Change, from: Generation): Promise<Answer> {
  const to = from.manifest;
  const guard = await guardOf(context, to);
  const last = layer?.step === undefined ? {} : { layer: layer.step };
  const writes = await programWrites(context, to.backend, to.program === context.program ? 'always' : guard);
  const labels = await surveyLabels(context.host, from);
  // What is merged keeps the labels that it was merged with: it is merged again.
  const fresh = to.format === 'directory' && labels.wrong.some(({ place }) => place.shown);
  const { loadModules = true } = options;
  const planned = await planSwitch(context.host, { verb, id, found, from, to, fresh, writes, options, guard, loadModules, ...last });
  planned.plan.findings.push(...(await refuseFull(context.host, planned.writes, writes.length > 0, options)));
  planned.plan.findings.push(...(layer?.findings ?? []), ...guardFindings(context, to, guard));
  const next = layer === undefined ? {} : { nextCommand: layer.nextCommand };
  const wrong = labels.wrong.filter(canRepair);
  if (wrong.length > 0) planned.plan.steps.unshift({ kind: 'record', text: `put the SELinux labels of ${filesText(wrong.length)} back` });
  if (options.dryRun) return { kind: 'Plan', plan: planned.plan };
  const mended = await repairLabels(context.host, labels);
  planned.plan.findings.unshift(...repairedFindings(mended));
  const prove = options.prove === undefined ? {} : { prove: options.prove };
  const carry = { id, verb, found, planned, from: to.number, to, made: false, started, afterwards: nothingAfterwards, ...prove };
  // A copy that somebody damaged or removed comes back; one that nothing names would only be tidied away.
  const kept = to.program === context.program && (await installProgramCopy(context, to.backend));
  await installGuardCopy(context, to, guard);
  if (planned.steps.length === 0)
    return { kind: 'Change', change: { ...(await unchanged(context, carry)), changed: kept || mended.length > 0, ...next } };
  await refuseUnprovable(context, found, options);
  await rehearse(context, found, planned);
  const records = [
    {
      number: to.number,
      state: context.host.live ? ('active' as const) : ('staged' as const),
      ...(planned.wiring.wiring === undefined ? {} : { wiring: planned.wiring.wiring }),
      edited: planned.edited,
      ...(loadModules === (from.record.loadModules ?? true) ? {} : { loadModules }),
    },
  ];
  const outcome = await carryOut(context, { ...carry, afterwards: { ...nothingAfterwards, records } });
  return { kind: 'Change', change: { ...receipt(context, carry, outcome), ...next } };
}
