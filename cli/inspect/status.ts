import { runningPayloads } from '../changes/refusing/running.ts';
import type { HostView } from '../host/index.ts';
import type { Format } from '../images/types.ts';
import {
  activeNumber,
  aliasesOf,
  type Generation,
  type Owner,
  type PointedElsewhere,
  pointersElsewhere,
  programPath,
  readGenerations,
  readPrograms,
} from '../store/index.ts';
import { readableEntries } from '../transaction/index.ts';
import { type Chosen, chosenFor } from './chosen.ts';

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
  /** Further names that lead to them. */
  aliases: { name: string; handler: string }[];
  /** Handlers for which something was chosen. */
  configured: ConfiguredHandler[];
  created: string;
  pinned: boolean;
  /** Who brought its files, where that was not this program. */
  owner?: Pick<Owner, 'kind' | 'name' | 'files'>;
  /** Processes that run from its payload. */
  processes: number;
}

export interface ConfiguredHandler extends Chosen {
  name: string;
}

export interface Status {
  installed: boolean;
  active?: number;
  previous?: number;
  engine?: { name: string; configPath: string; method: string };
  generations: GenerationLine[];
  /** What other deployments of this host have active. */
  deployments: PointedElsewhere[];
  /** Copies of this program that are kept on the host, by version. */
  programs: { version: string; path: string }[];
  /** Changes that were interrupted: run recover. */
  openChanges: number[];
}

/** What is installed, from our own files and /proc only: no bus, no engine. */
export async function status(host: HostView): Promise<Status> {
  const [all, active, running, openChanges, programs, deployments] = await Promise.all([
    readGenerations(host),
    activeNumber(host),
    runningPayloads(host),
    readableEntries(host),
    readPrograms(host),
    pointersElsewhere(host),
  ]);
  const now = all.find(({ manifest }) => manifest.number === active);
  const previous = now?.record.previous;
  const wiring = now?.record.wiring;
  return {
    installed: now !== undefined,
    ...(active === undefined ? {} : { active }),
    ...(previous === undefined ? {} : { previous }),
    ...(wiring === undefined ? {} : { engine: { name: wiring.engine, configPath: wiring.configPath, method: wiring.method } }),
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
      processes: running.get(manifest.payloadFolder) ?? 0,
    })),
    deployments,
    programs: programs.map(({ root, version }) => ({ version, path: programPath(root, version) })),
    openChanges,
  };
}

function shown({ kind, name, files }: Owner): NonNullable<GenerationLine['owner']> {
  return { kind, ...(name === undefined ? {} : { name }), files };
}

function configuredIn({ handlers, choices }: Generation['manifest']): ConfiguredHandler[] {
  const all = handlers.map(({ name }) => ({ name, ...chosenFor(choices, name) }));
  return all.filter(({ profiles, settings }) => profiles.length > 0 || settings.length > 0);
}
