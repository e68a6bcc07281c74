import { type Backend, chooseBackend } from '../backends/index.ts';
import { probeTimeouts, setsLabels, type WantedHandler } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { type HostFacts, readFacts, selinuxState } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { imageFindings, makerFindings } from '../images/index.ts';
import { handlerRow, handlerTable, installedName } from '../layout/index.ts';
import { architectureFindings, chooseFormat, givenFindings, givenImage } from '../planning/choices/givenImage.ts';
import type { OwnProgram } from '../planning/programCopy.ts';
import type { Found, PlannedWrite } from '../planning/types.ts';
import { expectedOf, shownWrites } from '../planning/writes.ts';
import { maskedFindings, restartFindings } from '../preflight/engine.ts';
import { findEnginesToWire, findingsInstead, goneFindings } from '../preflight/engines.ts';
import { holderText } from '../preflight/lockHeld.ts';
import { needFindings } from '../preflight/needs.ts';
import { hostFindings } from '../preflight/refusals.ts';
import { roomOf } from '../preflight/room.ts';
import { shimFindings } from '../preflight/shimFindings.ts';
import { askedHandlers, type PolicyRequest, policyFindings, somePayload } from '../selinux/index.ts';
import { activeGeneration, type Generation, lockFile, offered, offeredBy, wiringFor } from '../store/index.ts';
import { changeState, openFindings, stagingFindings } from './changeState.ts';
import { isInstalled } from './installed.ts';
import { kvmGuestFindings } from './kvm.ts';
import { type Offered, type Offers, type OffersRequest, offersInImage, offersOf } from './offers.ts';
import { lostFindings, seenWiring } from './wiring.ts';

interface CheckedEngine {
  name: string;
  version: string | undefined;
  configPath: string;
  unit: string | undefined;
  handlers: string[];
  /** SELinux labels of pods, where they are known. */
  setsLabels?: boolean | undefined;
}

export interface Check {
  ready: boolean;
  host: { os: string; kind: string; architecture: string; ostree: boolean; selinux: string; kvm: boolean | undefined };
  engine?: CheckedEngine | undefined;
  /** Where several are wired by one change. */
  otherEngines?: CheckedEngine[] | undefined;
  backend: string;
  /** Of the bundle that was named. */
  bundle?: Offers | undefined;
  /** The active generation, where an install of the bundle would find that there is nothing to do. */
  installed?: number | undefined;
  /** What an install of it writes at most: before it is unpacked, which files of the release stay is not known. */
  writes?: PlannedWrite[] | undefined;
  /** Blockers first. */
  findings: Finding[];
}

/** What `install` takes where nothing is installed and no handler is named (docs/facts/kata.md#archives). */
const usual = { name: 'kata-qemu-runtime-rs', release: 'qemu-runtime-rs', shim: 'runtime-rs/bin/containerd-shim-kata-v2' };

const order = { blocker: 0, warning: 1, info: 2 };

export interface CheckRequest {
  backend?: string | undefined;
  /** In which form the payload would be kept; default: as it is. */
  format?: string | undefined;
  engines?: string[] | undefined;
  /** What is asked about, by either name; default: the installed ones, or the usual one. */
  handlers: string[];
  bundle?: Omit<OffersRequest, 'root'> | undefined;
  /** The running program, of which an installation keeps a copy. */
  program?: Omit<OwnProgram, 'host'> | undefined;
}

/** Whether this host can take an installation now, blockers first. Reads only. Throws `handler-unknown` and the codes of the bundle. */
export async function check(host: HostView, request: CheckRequest): Promise<Check> {
  const facts = await readFacts(host);
  const active = await activeGeneration(host);
  const backend = await chooseBackend(host, facts, request.backend, active?.manifest.backend);
  const given = request.bundle === undefined ? undefined : await givenImage({ ...request, sources: request.bundle.sources });
  const format = chooseFormat(request, backend.name, active?.manifest, given);
  const findings = [...(await hostFindings(host, facts, backend)), ...(await kvmGuestFindings(host, facts.kvm))];
  if (format !== 'directory') findings.push(...(await imageFindings(host, format)));
  if (format !== 'directory') findings.push(...(await (given === undefined ? makerFindings(host, format) : givenFindings(host, given))));
  findings.push(...(await changeFindings(host)));
  const rows = request.handlers.map(handlerRow);
  const asked = rows.map((row) => ({ name: installedName(row.name), shim: row.shim }));
  const root = backend.root(facts);
  const releases = rows.length > 0 ? rows.map((row) => row.name) : releasesOf(active);
  const policy = { handlers: askedHandlers(releases), home: backend.payloadDir(somePayload(root)) };
  const [engine, ...otherEngines] = await enginesOf(host, backend, active, { asked, policy, wishes: request.engines }, findings);
  const seen = given === undefined ? await bundleOffers(host, request, { facts, root }, active) : await offersInImage(host, given, active);
  const bundle = seen?.offers;
  if (given !== undefined) findings.push(...architectureFindings(facts, given));
  const unpacked = bundle === undefined ? {} : { unpacked: { bytes: bundle.unpackedBytes, entries: bundle.unpackedEntries } };
  const running = { host, ...(request.program ?? { program: '' }) };
  const form = { backend: backend.name, format };
  const installed =
    request.bundle === undefined || active === undefined || bundle === undefined
      ? false
      : await isInstalled(running, active, { ...request, ...request.bundle, ...form, draft: seen?.draft });
  const place = {
    backend: backend.name,
    root,
    image: format !== 'directory' && given === undefined,
    draft: seen?.draft,
    said: given?.said,
  };
  const writes = installed ? [] : await expectedOf(running, { ...place, ...unpacked });
  findings.push(...(await (await roomOf(host, { kubelet: true })).findings(writes)));
  for (const name of bundle?.lacks ?? []) findings.push(lacking(name, bundle!));
  findings.push(
    ...offeredBlockers(
      bundle,
      asked.map(({ name }) => name),
    ),
  );
  findings.push(...(await needFindings(host, releases)));
  const sorted = findings.map(asRefused).sort((a, b) => order[a.level] - order[b.level]);
  return {
    ready: !sorted.some((finding) => finding.level === 'blocker'),
    host: hostLine(facts),
    backend: backend.name,
    findings: sorted,
    engine,
    otherEngines: otherEngines.length === 0 ? undefined : otherEngines,
    installed: installed ? active!.manifest.number : undefined,
    bundle,
    writes: bundle === undefined ? undefined : (await shownWrites(host, writes)).writes,
  };
}

/** In the words of the change that it stops, which name what overrides it. */
function asRefused(finding: Finding): Finding {
  return finding.level === 'blocker' ? KataError.of(finding).finding() : finding;
}

async function bundleOffers(
  host: HostView,
  request: CheckRequest,
  { facts, root }: { facts: HostFacts; root: HostPath },
  active: Generation | undefined,
): Promise<Offered | undefined> {
  if (request.bundle === undefined || !facts.architecture.known) return undefined;
  const asked = request.handlers.map((name) => handlerRow(name).name);
  const wanted = asked.length > 0 ? { wanted: asked } : active === undefined ? {} : { wanted: releasesOf(active) };
  return await offersOf(host, { ...request.bundle, root, ...wanted }, facts.architecture.value, active);
}

/** What keeps an install from one of the handlers that it would take: those that are named, else the installed ones, else the default. */
function offeredBlockers(bundle: Offers | undefined, named: string[]): Finding[] {
  const { handlers = [] } = bundle ?? {};
  const installed = handlers.some((offer) => offer.installed);
  const isTaken = ({ name, ...offer }: Offers['handlers'][number]): boolean =>
    named.length > 0 ? named.includes(name) : installed ? offer.installed : offer.byDefault;
  return handlers.filter(isTaken).flatMap(({ findings }) => findings.filter(({ level }) => level === 'blocker'));
}

function releasesOf(active: Generation | undefined): string[] {
  return active === undefined ? [usual.release] : [...new Set(active.manifest.handlers.map((handler) => handler.release))];
}

function lacking(name: string, { sources }: Offers): Finding {
  const archive = handlerTable.archives[handlerRow(name).family];
  return {
    code: 'bundle-lacks-handler',
    level: 'blocker',
    subject: name,
    found: `${name} is installed, but ${sources.join(', ')} does not carry it`,
    needed: `the configuration and the shim of ${name}, which ${archive} carries`,
    next: `name ${archive} of the same release as well, or install with --remove-handler ${name}`,
  };
}

interface AskedOfEngines {
  asked: { name: string; shim: string }[];
  policy: Omit<PolicyRequest, 'found'> & { home: HostPath };
  wishes: string[] | undefined;
}

/** What a change would wire, and what prevents each of them. */
async function enginesOf(
  host: HostView,
  backend: Backend,
  active: Generation | undefined,
  { asked, policy, wishes }: AskedOfEngines,
  findings: Finding[],
): Promise<CheckedEngine[]> {
  // Planned as a change would be, so that what an install refuses is said here.
  const fresh = (asked.length > 0 ? asked : [usual]).map((each) => offered(each.name, each, backend.mountPoint()));
  const wanted =
    active === undefined
      ? fresh
      : withNew(offeredBy(active.manifest, backend.mountPoint(active.manifest.payloadFolder)), asked.length > 0 ? fresh : []);
  try {
    const seen: CheckedEngine[] = [];
    for (const found of await findEnginesToWire(host, wishes, active?.record.wiring))
      seen.push(await engineOf(host, active, { found, wanted, policy }, findings));
    return seen;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    findings.push(error.finding(), ...(await findingsInstead(host, wishes)));
    return [];
  }
}

async function engineOf(
  host: HostView,
  active: Generation | undefined,
  { found, wanted, policy }: Pick<AskedOfEngines, 'policy'> & { found: Found; wanted: WantedHandler[] },
  findings: Finding[],
): Promise<CheckedEngine> {
  const { engine, instance } = found;
  findings.push(...goneFindings(found));
  if (found.gone !== undefined)
    return { name: engine.name, version: instance.version, configPath: instance.configPath, unit: instance.unit, handlers: [] };
  findings.push(...(await restartFindings(host, found)), ...(await maskedFindings(host, found)));
  findings.push(...(await engine.plan(host, instance, wanted, wiringFor(active?.record.wiring, engine.name))).findings);
  // The engine may have changed since the shims came.
  findings.push(...(await shimFindings(host, { found, from: active?.manifest, to: active?.manifest, sandboxes: [], restarts: false })));
  const dump = await dumpWithLabels(host, found);
  findings.push(...(await policyFindings(host, { ...policy, found, dump })));
  const state =
    host.live && instance.firstStart === undefined ? await engine.daemon?.probe(host, instance, probeTimeouts.onceMs) : undefined;
  if (state !== undefined && !state.reachable) findings.push(unhealthy(engine.name, instance.socket ?? engine.name, state.why));
  return {
    name: engine.name,
    version: instance.version,
    configPath: instance.configPath,
    unit: instance.unit,
    handlers: state?.handlers ?? [],
    setsLabels: dump && setsLabels(engine, dump),
  };
}

/** What the engine says of its configuration, where pods may get SELinux labels and the engine can be asked. */
async function dumpWithLabels(host: HostView, { engine, instance }: Found): Promise<Record<string, unknown> | undefined> {
  const state = await selinuxState(host);
  if (!host.live || (state.known && state.value.mode === 'disabled')) return undefined;
  return await engine.dump?.dumpEffective(host, instance).catch(() => undefined);
}

function withNew(installed: WantedHandler[], more: WantedHandler[]): WantedHandler[] {
  return [...installed, ...more.filter(({ name }) => !installed.some((each) => each.name === name))];
}

/**
 * A change that runs now, or those that were interrupted: the next one would wait, or recover them first. Else whether the wiring is
 * present.
 */
async function changeFindings(host: HostView): Promise<Finding[]> {
  const state = await changeState(host);
  const { change } = state;
  if (change !== undefined) {
    const found = `${holderText(change)} is running`;
    const next = 'wait for it: --wait SECONDS';
    return [{ code: 'lock-held', level: 'blocker', subject: lockFile, found, needed: 'one change at a time', next }];
  }
  if (state.interrupted.length > 0) return openFindings(state);
  const { active, lost } = await seenWiring(host);
  return [...stagingFindings(state), ...lostFindings(active, lost)];
}

function unhealthy(name: string, socket: string, why: string | undefined): Finding {
  return {
    code: 'engine-unhealthy',
    level: 'blocker',
    subject: name,
    found: `${name} does not answer on ${socket}: ${why ?? 'no reason given'}`,
    needed: 'an engine that works',
    next: `systemctl status ${name}`,
  };
}

function hostLine({ os, architecture, ostree, selinux, kvm }: HostFacts): Check['host'] {
  return {
    os: os.known ? os.value.name : 'unknown',
    kind: os.known ? os.value.kind : 'unknown',
    architecture: architecture.known ? architecture.value : 'unknown',
    ostree: ostree.known && ostree.value,
    selinux: selinux.known ? selinux.value.mode : 'unknown',
    kvm: kvm.known ? kvm.value : undefined,
  };
}
