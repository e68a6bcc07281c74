import type { ArchiveRecord } from '../bundle/types.ts';
import type { OwnFile } from '../components/types.ts';
import type { Wiring } from '../engines/types.ts';
import type { Finding } from '../errors/index.ts';
import { isRoots } from '../facts/index.ts';
import type { Digest, HostPath, HostView } from '../host/index.ts';
import type { Format } from '../images/types.ts';
import { type RunningShim, runningShims } from '../preflight/running.ts';
import {
  activeNumber,
  aliasesOf,
  type Generation,
  insideExtension,
  marksOf,
  type Owner,
  type PointedElsewhere,
  payloadOf,
  pointersElsewhere,
  programPath,
  readGenerations,
  readPrograms,
  refuseLost,
  rollbackTarget,
  storedBytes,
  wiringsOf,
} from '../store/index.ts';
import { type ChangeState, changeState, openFindings, stagingFindings } from './changeState.ts';
import { type Chosen, chosenFor } from './chosen.ts';
import { lostFindings, seenWiring } from './wiring.ts';

export interface GenerationLine {
  number: number;
  active: boolean;
  previous: boolean;
  state: Generation['record']['state'];
  release: string;
  backend: string;
  /** 'directory', or of what kind the image is. */
  format: Format;
  handlers: string[];
  /** Aliases of them. */
  aliases: { name: string; handler: string }[];
  /** Files of the user that handlers have in place of the release's; absent where there are none. */
  components?: ComponentLine[];
  /** Handlers for which something was chosen. */
  configured: ConfiguredHandler[];
  created: string;
  pinned: boolean;
  /** Who brought its files, where that was not this program. */
  owner?: Pick<Owner, 'kind' | 'name' | 'files'> | undefined;
  sandboxes: number;
  /** Bytes of its payload on the disk, which generations of the same payload share; not there where its manifest is lost. */
  sizeBytes?: number;
  payload: { digest: Digest; folder: HostPath };
  /** `archives`: of a saved bundle, where each archive in it was proven by itself. */
  sources: (SourceLine & { archives?: SourceLine[] | undefined })[];
}

/** A file that something was installed from. */
export interface SourceLine {
  name: string;
  digest: Digest;
  signedBy?: string | undefined;
  identity?: string | undefined;
}

export interface ComponentLine extends Pick<OwnFile, 'kind' | 'name' | 'digest' | 'sizeBytes'> {
  handler: string;
  /** The handler of the release that it is like else. */
  base: string;
}

export interface ConfiguredHandler extends Chosen {
  name: string;
}

export interface EngineLine {
  name: string;
  configPath: string;
  method: string;
  /** Those that have the wiring in them. */
  files: HostPath[];
  /** Those that lost it by an edit. */
  lost?: HostPath[] | undefined;
}

export interface Status extends ChangeState {
  installed: boolean;
  active?: number | undefined;
  previous?: number | undefined;
  engine?: EngineLine | undefined;
  /** Those that were wired by the same changes, where there are several. */
  otherEngines?: EngineLine[] | undefined;
  generations: GenerationLine[];
  /** What other deployments of this host have active. */
  deployments: PointedElsewhere[];
  /** Copies of this program that are kept on the host, by version. */
  programs: { version: string; path: string; sizeBytes: number }[];
  /** What is not as it should be, with what helps. */
  findings: Finding[];
}

/** What is installed, from kata-sysext's own files and /proc only: no bus, no engine. Throws `state-damaged`. */
export async function status(host: HostView): Promise<Status> {
  const [all, active, change, programs, deployments, seen] = await Promise.all([
    readGenerations(host),
    activeNumber(host),
    changeState(host),
    readPrograms(host),
    pointersElsewhere(host),
    seenWiring(host),
  ]);
  const [sandboxes, sizes] = await Promise.all([sandboxesByGeneration(host, all), payloadSizes(host, all)]);
  const now = all.find(({ manifest }) => manifest.number === active);
  if (now === undefined && active !== undefined) await refuseLost(host, active);
  const previous = now && rollbackTarget(all, now)?.manifest.number;
  const [engine, ...otherEngines] = wiringsOf((seen.active ?? now)?.record.wiring).map((wiring) =>
    engineOf(
      wiring,
      seen.lost.map(({ path }) => path),
    ),
  );
  // In the middle of a change its steps say where the wiring is.
  const atRest = change.change === undefined && change.interrupted.length === 0;
  return {
    installed: now !== undefined,
    active,
    previous,
    engine,
    otherEngines: otherEngines.length === 0 ? undefined : otherEngines,
    generations: all.map(({ manifest, record }) => ({
      number: manifest.number,
      active: manifest.number === active,
      previous: manifest.number === previous,
      state: record.state,
      release: manifest.release,
      backend: manifest.backend,
      format: manifest.format,
      handlers: manifest.handlers.map((handler) => handler.name),
      aliases: aliasesOf(manifest),
      ...componentsIn(manifest),
      configured: configuredIn(manifest),
      created: manifest.created,
      pinned: record.pinned === true,
      owner: record.owner === undefined ? undefined : shown(record.owner),
      sandboxes: sandboxes.get(manifest.number) ?? 0,
      ...sized(sizes.get(manifest.payload)),
      payload: { digest: manifest.payload, folder: manifest.payloadFolder },
      sources: manifest.sources.map(({ archives, ...source }) => ({ ...sourceLine(source), archives: archives?.map(sourceLine) })),
    })),
    deployments,
    programs: programs.map(({ root, version, sizeBytes }) => ({ version, path: programPath(root, version), sizeBytes })),
    ...change,
    findings: [...openFindings(change), ...stagingFindings(change), ...(atRest ? lostFindings(seen.active, seen.lost) : [])],
  };
}

function sourceLine({ name, digest, proof }: ArchiveRecord): SourceLine {
  return { name, digest, signedBy: proof?.key, identity: proof?.identity };
}

function engineOf(wiring: Wiring, all: HostPath[]): EngineLine {
  const { engine, configPath, method } = wiring;
  const own = filesOf(wiring);
  const lost = all.filter((path) => own.includes(path));
  const files = own.filter((path) => !lost.includes(path));
  return { name: engine, configPath, method, files, lost: lost.length === 0 ? undefined : lost };
}

/** The files that have text of kata-sysext; the main file is named where a record says of none. */
function filesOf(wiring: Wiring): HostPath[] {
  const marks = marksOf(wiring);
  return marks.length === 0 ? [wiring.configPath] : [...new Set(marks.map(({ path }) => path))];
}

/** Each payload once: generations may share it. A damaged manifest is for `verify` to tell. */
async function payloadSizes(host: HostView, all: Generation[]): Promise<Map<Digest, number>> {
  const manifests = new Map(all.map(({ manifest }) => [manifest.payload, manifest]));
  const payloads = await Promise.all([...manifests.values()].map((manifest) => payloadOf(host, manifest).catch(() => undefined)));
  return new Map(payloads.flatMap((payload) => (payload === undefined ? [] : [[payload.digest, storedBytes(payload)]])));
}

function sized(sizeBytes: number | undefined): { sizeBytes?: number } {
  return sizeBytes === undefined ? {} : { sizeBytes };
}

function shown({ kind, name, files }: Owner): NonNullable<GenerationLine['owner']> {
  return { kind, name, files };
}

function componentsIn({ handlers }: Generation['manifest']): Pick<GenerationLine, 'components'> {
  const components = handlers.flatMap(({ name: handler, own }) =>
    (own?.files ?? []).map(({ kind, name, digest, sizeBytes }) => ({ handler, base: own!.base, kind, name, digest, sizeBytes })),
  );
  return components.length === 0 ? {} : { components };
}

function configuredIn({ handlers, choices }: Generation['manifest']): ConfiguredHandler[] {
  const all = handlers.map(({ name }) => ({ name, ...chosenFor(choices, name) }));
  return all.filter(({ profiles, settings }) => profiles.length > 0 || settings.length > 0);
}

/** Of Linux on every architecture: times in /proc/PID/stat are in hundredths of a second. */
const msPerTick = 10;

/**
 * How many sandboxes run from each generation, by its number. A sandbox counts once, for the generation whose payload its shim was started
 * from. Where several generations have that payload, it is the one of them that became active last before the shim started; their records
 * tell only the last time, so that after a rollback an older sandbox can count for the first of them.
 */
export async function sandboxesByGeneration(host: HostView, all: Generation[]): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  if (!host.live) return counts;
  const shims = await Promise.all(
    (await runningShims(host)).map(async (shim) => ({ ...shim, startedMs: await startedMs(host, shim.pid) })),
  );
  // What helps with a sandbox (start, delete) may be another program than what serves it, and comes or goes later.
  shims.sort((a, b) => a.startedMs - b.startedMs);
  const seen = new Set<string>();
  for (const shim of shims) {
    if (seen.has(shim.id)) continue;
    const owner = ownerOf(await candidates(host, shim, all), shim.startedMs);
    if (owner === undefined) continue;
    seen.add(shim.id);
    counts.set(owner.manifest.number, (counts.get(owner.manifest.number) ?? 0) + 1);
  }
  return counts;
}

/** Generations that the shim can be of. */
async function candidates(host: HostView, shim: RunningShim, all: Generation[]): Promise<Generation[]> {
  if (shim.known) return all.filter(({ manifest }) => shim.payloads.has(manifest.payloadFolder));
  // Who may not ask for the program has only its own word, and takes it from root's processes alone.
  if (!(await isRoots(host, shim.pid))) return [];
  const stored = all.filter(({ manifest }) => shim.calledBy.startsWith(`${manifest.payloadFolder}/`));
  if (stored.length > 0 || !shim.calledBy.startsWith(`/${insideExtension}/`)) return stored;
  return all.filter(({ manifest }) => manifest.handlers.some((handler) => shim.calledBy.endsWith(`/${handler.shim}`)));
}

function ownerOf(generations: Generation[], startedAtMs: number): Generation | undefined {
  const known = generations.flatMap((generation) => {
    const at = Date.parse(generation.record.activated ?? '');
    return Number.isNaN(at) ? [] : [{ generation, at }];
  });
  known.sort((a, b) => a.at - b.at);
  return (known.findLast(({ at }) => at <= startedAtMs) ?? known[0])?.generation ?? generations[0];
}

/** When a process started, in ms since the epoch by the clock of now; Infinity where it has ended meanwhile. */
async function startedMs(host: HostView, pid: string): Promise<number> {
  const read = (path: string) => host.readText(path).catch(() => undefined);
  const [stat, uptime] = [await read(`/proc/${pid}/stat`), await read('/proc/uptime')];
  // The name of the program, in brackets, may hold anything.
  const ticks = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const upMs = Number.parseFloat(uptime ?? '') * 1000;
  const ms = host.now().getTime() - upMs + ticks * msPerTick;
  return Number.isFinite(ms) ? ms : Number.POSITIVE_INFINITY;
}
