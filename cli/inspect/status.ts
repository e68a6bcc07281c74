import type { Wiring } from '../engines/types.ts';
import type { Finding } from '../errors/index.ts';
import type { Digest, HostPath, HostView } from '../host/index.ts';
import type { Format } from '../images/types.ts';
import {
  activeNumber,
  aliasesOf,
  type Generation,
  type Owner,
  type PointedElsewhere,
  payloadOf,
  pointersElsewhere,
  programPath,
  readGenerations,
  readPrograms,
  storedBytes,
} from '../store/index.ts';
import { type ChangeState, changeState, openFindings, stagingFindings } from './changeState.ts';
import { type Chosen, chosenFor } from './chosen.ts';
import { sandboxesByGeneration } from './sandboxes.ts';
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
  /** Handlers for which something was chosen. */
  configured: ConfiguredHandler[];
  created: string;
  pinned: boolean;
  /** Who brought its files, where that was not this program. */
  owner?: Pick<Owner, 'kind' | 'name' | 'files'>;
  /** That run from it. */
  sandboxes: number;
  /** Bytes of its payload on the disk, which generations of the same payload share; not there where its manifest is lost. */
  sizeBytes?: number;
  payload: { digest: Digest; folder: HostPath };
  sources: { name: string; digest: Digest }[];
}

export interface ConfiguredHandler extends Chosen {
  name: string;
}

export interface Status extends ChangeState {
  installed: boolean;
  active?: number | undefined;
  previous?: number | undefined;
  /** `files`: those that have the wiring in them; `lost`: those that lost it by an edit. */
  engine?: { name: string; configPath: string; method: string; files: HostPath[]; lost?: HostPath[] } | undefined;
  generations: GenerationLine[];
  /** What other deployments of this host have active. */
  deployments: PointedElsewhere[];
  /** Copies of this program that are kept on the host, by version. */
  programs: { version: string; path: string; sizeBytes: number }[];
  /** What is not as it should be, with what helps. */
  findings: Finding[];
}

/** What is installed, from kata-sysext's own files and /proc only: no bus, no engine. */
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
  const previous = now?.record.previous;
  const wiring = (seen.active ?? now)?.record.wiring;
  // In the middle of a change its steps say where the wiring is.
  const settled = change.change === undefined && change.interrupted.length === 0;
  return {
    installed: now !== undefined,
    active,
    previous,
    ...(wiring === undefined ? {} : { engine: engineOf(wiring, seen.lost) }),
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
      configured: configuredIn(manifest),
      created: manifest.created,
      pinned: record.pinned === true,
      ...(record.owner === undefined ? {} : { owner: shown(record.owner) }),
      sandboxes: sandboxes.get(manifest.number) ?? 0,
      ...sized(sizes.get(manifest.payload)),
      payload: { digest: manifest.payload, folder: manifest.payloadFolder },
      sources: manifest.sources.map(({ name, digest }) => ({ name, digest })),
    })),
    deployments,
    programs: programs.map(({ root, version, sizeBytes }) => ({ version, path: programPath(root, version), sizeBytes })),
    ...change,
    findings: [...openFindings(change), ...stagingFindings(change), ...(settled ? lostFindings(seen.active, seen.lost) : [])],
  };
}

function engineOf(wiring: Wiring, lost: HostPath[]): NonNullable<Status['engine']> {
  const { engine, configPath, method } = wiring;
  const files = filesOf(wiring).filter((path) => !lost.includes(path));
  return { name: engine, configPath, method, files, ...(lost.length === 0 ? {} : { lost }) };
}

/** The files that have text of kata-sysext; the main file is named where a record says of none. */
function filesOf({ marks, configPath }: Wiring): HostPath[] {
  return marks.length === 0 ? [configPath] : [...new Set(marks.map(({ path }) => path))];
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

function configuredIn({ handlers, choices }: Generation['manifest']): ConfiguredHandler[] {
  const all = handlers.map(({ name }) => ({ name, ...chosenFor(choices, name) }));
  return all.filter(({ profiles, settings }) => profiles.length > 0 || settings.length > 0);
}
