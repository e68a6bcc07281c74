import { type Backend, backendOf, chooseBackend } from '../backends/index.ts';
import { isAddress, shownAddress } from '../download/address.ts';
import { architectureOf, type HostFacts, readFacts } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { type Format, imageFindings, makerFindings } from '../images/index.ts';
import { canRepair, surveyLabels } from '../labels/index.ts';
import { installedName } from '../layout/index.ts';
import { type AliasRequest, aliasesAfter, withAdopted } from '../planning/choices/aliases.ts';
import { keptChoices, sameChoices } from '../planning/choices/choices.ts';
import { chooseFormat, type Given, givenFindings, givenImage, limitedTo } from '../planning/choices/givenImage.ts';
import { explainMissingHandlers } from '../planning/choices/missingHandlers.ts';
import { type OwnAfter, ownAfter, ownHandlers, placed, plannedComponents, refuseImageWithout } from '../planning/choices/own.ts';
import { refuseOlder, withProofs } from '../planning/choices/proofs.ts';
import { choiceFindings, noSettings, withSettings } from '../planning/choices/settings.ts';
import type { InstallRequest } from '../planning/choices/types.ts';
import { refuseFamilyChange, replacedHandlers, sameFiles, wantedHandlers } from '../planning/choices/wanted.ts';
import { guardFindings, guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { switchedOn, switchFor } from '../planning/selinuxSwitch.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import { payloadWrites, programWrites } from '../planning/writes.ts';
import { refuse } from '../preflight/engine.ts';
import { findEnginesToWire } from '../preflight/engines.ts';
import { refuseSecond, refuseWaiting } from '../preflight/imageRules.ts';
import { refuseInUseNow } from '../preflight/inUse.ts';
import { hostFindings } from '../preflight/refusals.ts';
import { refuseFull } from '../preflight/room.ts';
import { checkedSwitch, type Switch } from '../preflight/switch.ts';
import { archivesOf, catalogueFor, namedRelease } from '../releases/index.ts';
import { filesText } from '../runner/repairLabels.ts';
import type { OperationPlan, StagedPayload, View } from '../runner/types.ts';
import { activeGeneration, type Choices, type Generation, generationDrift, originOf, startingGeneration } from '../store/index.ts';
import type { Afterwards } from '../transaction/index.ts';
import { type Change, type NewGeneration, planNew } from './activateNew.ts';
import { payloadReader } from './configure.ts';

/** What is known before anything is unpacked. */
interface Wanted {
  from: Generation | undefined;
  facts: HostFacts;
  backend: Backend;
  format: Format;
  /** The image that is named in place of a bundle. */
  given: Given | undefined;
  /** The handlers of the release, by its words; undefined: its default. */
  handlers: string[] | undefined;
  /** The aliases with files of the user. */
  own: OwnAfter;
}

/** Turns a release into a generation of this host and makes it the active one. A repeated install writes nothing. */
export async function planInstall(view: View, asked: InstallRequest, verb = 'install'): Promise<OperationPlan> {
  const { host } = view;
  const typed = await withProofs(host, await withArchives(host, asked));
  const wanted = await wantedBy(host, typed);
  const { from, handlers, own } = wanted;
  const request = { ...typed, aliases: own.aliases };
  const engines = await findEnginesToWire(host, request.engines, from?.record.wiring);
  const change: Change = { verb, options: request, engines, from, stage: request.stage === true, layer: request.layer };
  if (from !== undefined && (await isActive(view, request, from, wanted)))
    return change.stage === true ? planActiveAlready(from) : planRepeat(view, change, from);
  await refuseSecond(host, from);
  // What can be refused before hundreds of megabytes are unpacked is refused now.
  const added = own.requests.map(({ name }) => name);
  if (handlers !== undefined) chosen(host, request, from, [...handlers.map(installedName), ...added]);
  const going = handlers === undefined || request.stage === true ? [] : goingOf(from, [...handlers.map(installedName), ...added]);
  await refuseInUseNow(host, engines, going);
  const staged = await stagedFor(view, request, wanted).catch((error: unknown) => {
    throw explainMissingHandlers(host, error, typed, from);
  });
  return planNew(view, change, await newGeneration(host, request, wanted, staged));
}

/** Throws what the host and the files that are named have against any install. */
async function wantedBy(host: HostView, request: InstallRequest): Promise<Wanted> {
  refuseWaiting(host, request.stage === true);
  const facts = await readFacts(host);
  const from = await startingGeneration(host);
  const backend = await chooseBackend(host, facts, request.backend, from?.manifest.backend);
  const given = await givenImage(request);
  const format = chooseFormat(request, backend.name, from?.manifest, given);
  refuse(await hostFindings(host, facts, backend), request.allow);
  if (format !== 'directory') {
    refuse(await imageFindings(host, format), request.allow);
    refuse(await (given === undefined ? makerFindings(host, format) : givenFindings(host, given)), request.allow);
  }
  const handlers = wantedHandlers(host, request, from);
  const own = await ownAfter(
    host,
    from,
    request.exactly === true ? { ...request, aliases: [...(request.aliases ?? []), ...unnamed(from, request)] } : request,
    handlers?.map(installedName),
    facts.architecture.known ? facts.architecture.value : undefined,
  );
  return { from, facts, backend, format, given, handlers, own };
}

/** Whether the active generation has just these files and choices. */
async function isActive(
  { host, signal }: View,
  request: InstallRequest,
  from: Generation,
  { backend, format, own }: Wanted,
): Promise<boolean> {
  const { manifest } = from;
  const takes = (request.layer?.foreignWiring.marks.length ?? 0) > 0 || request.layer?.displaced !== undefined;
  if (
    takes ||
    own.changed ||
    manifest.backend !== backend.name ||
    manifest.format !== format ||
    !(await sameFiles(host, from, request, signal)) ||
    (await generationDrift(host, manifest)).length > 0
  )
    return false;
  const readText = async (path: string) => (await host.readFile(`${manifest.payloadFolder}/${path}`)).toString();
  const kept = chosen(host, request, from, namesIn(manifest));
  const choices = await withSettings(kept, { handlers: manifest.handlers, requested: request.settings ?? noSettings, readText });
  return sameChoices(choices, manifest.choices);
}

function stagedFor(
  { staging }: View,
  request: InstallRequest,
  { facts, backend, format, given, handlers, own }: Wanted,
): Promise<StagedPayload> {
  const place = { facts, root: backend.root(facts), format, backend: backend.name, wanted: handlers, own: own.requests };
  return given === undefined ? staging.unpack(request, place) : staging.copyImage(given, request, place);
}

async function newGeneration(
  host: HostView,
  request: InstallRequest,
  { from, backend, given, handlers, own }: Wanted,
  staged: StagedPayload,
): Promise<NewGeneration> {
  if (given !== undefined) refuseImageWithout(host, own, request, staged.manifest.handlers);
  const payload = limitedTo(staged.manifest, handlers, own.gone);
  refuseFamilyChange(host, from, payload, request);
  refuseOlder(from?.manifest.release, payload.release, request);
  const readText = async (path: string) => (await host.readFile(`${staged.tree}/${path}`)).toString();
  const asked = { handlers: payload.handlers, requested: request.settings ?? noSettings, readText };
  const kept = chosen(host, request, from, namesIn(payload));
  const choices = await withSettings(kept, asked);
  const keepsPaths = request.keepPaths === true && !host.image;
  return {
    origin: placed(
      originOf(payload, keepsPaths ? request.sources.map((source) => (isAddress(source) ? shownAddress(source) : source)) : undefined),
      from,
      keepsPaths ? request.own : [],
    ),
    components: plannedComponents(from, payload.handlers),
    choices,
    findings: [...(await choiceFindings(host, kept, choices, asked)), ...(request.layer?.findings ?? [])],
    backend: backend.name,
    home: backend.payloadDir(payload.folder),
    fresh: !staged.known,
    writes: payloadWrites(staged),
    savedBytes: payload.savedBytes,
    readText,
  };
}

function goingOf(from: Generation | undefined, stay: readonly string[]): string[] {
  return (from?.manifest.handlers ?? []).flatMap(({ name }) => (stay.includes(name) ? [] : [name]));
}

/** Aliases with files of the user that a request leaves out. */
function unnamed(from: Generation | undefined, { aliases = [], own = [] }: InstallRequest): AliasRequest[] {
  const named = [...aliases, ...own].map(({ name }) => name);
  return ownHandlers(from).flatMap(({ name }) => (named.includes(name) ? [] : [{ name }]));
}

/** What was chosen before, for the handlers that stay, and what this command says of it. */
function chosen(host: HostView, request: InstallRequest, active: Generation | undefined, names: string[]): Choices {
  const from = request.exactly === true ? undefined : active;
  const named = replacedHandlers(request);
  const replaced = [...named, ...ownHandlers(from).flatMap(({ name, own }) => (named.includes(own.base) ? [name] : []))];
  const kept = keptChoices(
    from?.manifest.choices,
    names.filter((name) => !replaced.includes(name)),
  );
  const adopted = (request.layer?.handlers ?? []).filter((name) => !Object.hasOwn(kept.aliases, name));
  const { aliases = [], exactly } = request;
  // Where nothing is kept there is nothing to remove.
  const asked = exactly === true ? aliases.filter(({ handler }) => handler !== undefined) : aliases;
  const requests = withAdopted(host, asked, adopted, names, request.layer?.mode);
  return { ...kept, aliases: aliasesAfter(host, from, requests, names) };
}

function namesIn({ handlers }: { handlers: { name: string }[] }): string[] {
  return handlers.map((handler) => handler.name);
}

/** What shall be staged is active. Where the host drifted from it, that stays: staging touches neither the engine nor the pointer. */
function planActiveAlready({ manifest: to }: Generation): OperationPlan {
  const ends = { from: to.number, to: to.number };
  return { verb: 'stage', plan: { ...emptyPlan('stage'), ...ends }, idle: true, from: to.number, to, afterwards: nothingAfterwards };
}

/** Nothing differs from what is active: nothing to do, unless the host drifted from it. */
async function planRepeat(view: View, change: Change, from: Generation): Promise<OperationPlan> {
  const { verb, options, engines, layer } = change;
  const { host, program, id } = view;
  const to = from.manifest;
  const guard = await guardOf(view, to);
  const own = to.program === program;
  const writes = await programWrites(view, to.backend, own ? 'always' : guard);
  const labels = await surveyLabels(host, from);
  // What is merged keeps the labels that it was merged with: it is merged again.
  const fresh = to.format === 'directory' && labels.wrong.some(({ place }) => place.shown);
  const { loadModules = true } = options;
  const selinux = await switchFor(host, from, options.allow);
  const more = { selinux, fresh, writes, guard, loadModules, layer: layer?.step };
  const planned = await checkedSwitch(host, { verb, id, engines, from, to, options, ...more });
  // A rollback has to bring back the engine as it was.
  if (planned.wirings.some(({ wiring }) => wiring.selinux === 'comes') && switchedOn(from.record).length === 0)
    return planNew(view, change, await sameAgain(host, from));
  const { plan } = planned;
  plan.findings.push(...(await refuseFull(host, planned.writes, writes.length > 0, options)));
  plan.findings.push(...(layer?.findings ?? []), ...guardFindings(view, to, guard));
  const wrong = labels.wrong.filter(canRepair);
  if (wrong.length > 0) plan.steps.unshift({ kind: 'record', text: `put the SELinux labels of ${filesText(wrong.length)} back` });
  return {
    verb,
    plan,
    idle: planned.steps.length === 0,
    from: to.number,
    to,
    engines,
    planned,
    rehearsed: true,
    prove: options.prove,
    labels,
    // Restores a copy of the program that was damaged or removed. A copy that nothing names is not restored: the next clean-up would remove it.
    program: { own, guard },
    afterwards: { ...nothingAfterwards, records: [recordOf(from, planned, host.live, loadModules)] },
    says: layer && { nextCommand: layer.nextCommand },
  };
}

/** The active generation once more: its files and choices, with another state of the engine. Throws `payload-damaged`. */
async function sameAgain(host: HostView, from: Generation): Promise<NewGeneration> {
  const { choices, backend, payloadFolder } = from.manifest;
  const home = backendOf(backend).payloadDir(payloadFolder);
  return { origin: from.manifest, choices, backend, home, readText: await payloadReader(host, from) };
}

function recordOf(
  { manifest, record }: Generation,
  { edited, wired: wiring }: Switch,
  live: boolean,
  loadModules: boolean,
): Afterwards['records'][number] {
  return {
    number: manifest.number,
    state: live ? 'active' : 'staged',
    wiring,
    edited,
    loadModules: loadModules === (record.loadModules ?? true) ? undefined : loadModules,
  };
}

/** The request with the archives of the release that it names by a version. Throws `usage` and `release-unknown`. */
async function withArchives(host: HostView, request: InstallRequest): Promise<InstallRequest> {
  const named = namedRelease(request);
  const architecture = await architectureOf(host);
  // What prevents the installation is said where all of that is looked at.
  if (named === undefined || !architecture.known) return request;
  const handlers = wantedHandlers(host, request, await activeGeneration(host));
  const catalogue = await catalogueFor(host, named);
  return { ...request, ...archivesOf(catalogue, { named, architecture: architecture.value, handlers, from: request.fetching?.from }) };
}
