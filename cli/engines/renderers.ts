import { posix } from 'node:path';
import { operatingSystem } from '../facts/os.ts';
import type { HostPath, HostView } from '../host/types.ts';
import type { Unit } from '../systemd/types.ts';
import { usesOtherCri } from './common/otherCri.ts';
import { isLeft, isThere, wantedUnits } from './common/unitFiles.ts';
import type { EnginePlugin, Refusal, Rendering } from './contract.ts';
import { enginePlugins } from './registry.ts';
import type { Instance } from './types.ts';

/** A program that writes the configuration of the engine that serves the node's pods: kata-sysext wires it, or refuses the host. */
export type Renderer = EnginePlugin & { renders: Rendering };

/** A renderer on a host, and what shows it: it runs now, a boot will start it, or only its files are there. */
export interface Sighting {
  renderer: Renderer;
  how: 'active' | 'enabled' | 'present';
  /** In words. */
  mark: string;
}

const runs = ['active', 'activating', 'reloading'];

/**
 * The renderer that decides what the node's engine reads, in place of the file that `instance` names; undefined where nothing does.
 *
 * Proof is what runs or what a boot starts. Files alone may be left over: they count in an offline tree only, where no ordinary engine is.
 * On a live host a unit that is enabled and stopped does not count beside an engine that runs, because that one serves. nodeadm runs for a
 * moment at each boot, so that for it an enabled unit is proof there as well.
 */
export async function rendererOf(host: HostView, instance: Instance | undefined): Promise<Sighting | undefined> {
  const [seen, bus] = [await sightings(host), host.live ? await host.systemd() : undefined];
  return seen.find((sighting) => isProof({ live: host.live, hasSystemd: bus !== undefined }, sighting, instance));
}

/** The renderer that wrote this text of an engine's configuration. */
export function writerOf(text: string): Renderer | undefined {
  return renderers().find(({ renders }) => renders.written?.test(text) === true);
}

/** Why a file of another engine is not what the node reads, and what to do. `installed`: kata-sysext is wired into that other engine. */
export function refusalBy(renderer: Renderer, installed: boolean): Pick<Refusal, 'found' | 'needed' | 'next'> {
  if (renderer.kind === 'refused') return renderer.refusal ?? plain(renderer);
  const { name, title, renders } = renderer;
  const found = renders.wired?.found ?? plain(renderer).found;
  const needed = `the engine ${title}, whose own files kata-sysext wires`;
  return {
    found,
    needed,
    next: installed ? `kata-sysext uninstall, then install with --engine ${name}` : `kata-sysext check --engine ${name}`,
  };
}

function plain({ title }: Renderer): Pick<Refusal, 'found' | 'needed' | 'next'> {
  return { found: `${title} writes the configuration of the node’s engine`, needed: 'another engine', next: 'kata-sysext check' };
}

function renderers(): Renderer[] {
  return enginePlugins().filter((row): row is Renderer => row.renders !== undefined);
}

function isProof(
  { live, hasSystemd }: { live: boolean; hasSystemd: boolean },
  { renderer, how }: Sighting,
  instance: Instance | undefined,
): boolean {
  const { overwrites } = renderer.renders;
  if (overwrites !== undefined && instance !== undefined && instance.engine !== overwrites) return false;
  const ordinary = instance !== undefined && (live ? instance.process !== undefined : instance.binary !== undefined);
  if (how === 'active') return true;
  // Without systemd no unit can run: an init script is all that there is to see.
  if (how === 'present') return !(live && hasSystemd) && !ordinary;
  return !(live && overwrites === undefined && ordinary);
}

/** What is on the host, one a renderer, in the order of the table. */
async function sightings(host: HostView): Promise<Sighting[]> {
  const wanted = await wantedUnits(host);
  const living = (await (await host.systemd())?.livingUnits('*.service')) ?? [];
  const found: Sighting[] = [];
  for (const renderer of renderers()) {
    const sighting = await sightingOf(host, renderer, { wanted, living });
    if (sighting !== undefined && !(await usesOtherCri(host, renderer.renders))) found.push(sighting);
  }
  return found;
}

interface Known {
  /** Units that a target or another unit starts, with the link that says so. */
  wanted: Map<Unit, HostPath>;
  /** Those that run, begin or end. */
  living: Unit[];
}

async function sightingOf(host: HostView, renderer: Renderer, { wanted, living }: Known): Promise<Sighting | undefined> {
  const own = await ofHost(host, renderer);
  if (own !== undefined) return { renderer, how: 'active', mark: own };
  for (const unit of candidates(renderer, living)) {
    if (await isRunning(host, renderer, unit)) return { renderer, how: 'active', mark: `${unit} is active` };
  }
  for (const unit of candidates(renderer, [...wanted.keys()])) {
    const link = wanted.get(unit);
    if (link !== undefined && (await isThere(host, unit))) return { renderer, how: 'enabled', mark: `${unit} is enabled (${link})` };
  }
  for (const unit of renderer.renders.units)
    if (await isThere(host, unit)) return { renderer, how: 'present', mark: `${unit} is installed` };
  for (const path of renderer.renders.files) if (await isLeft(host, path)) return { renderer, how: 'present', mark: `${path} is there` };
  return undefined;
}

/** In words, what says that this is the renderer's own operating system or image. */
async function ofHost(host: HostView, { renders }: Renderer): Promise<string | undefined> {
  if (renders.host === undefined) return undefined;
  const { ids, files } = renders.host;
  for (const path of files) if ((await host.stat(path)) !== undefined) return `${path} is there`;
  const os = await operatingSystem(host);
  return os.known && ids.includes(os.value.id) ? `ID=${os.value.id} in ${os.source}` : undefined;
}

function candidates({ renders: { units, otherUnits } }: Renderer, names: Unit[]): Unit[] {
  return [...new Set([...units, ...names.filter((name) => otherUnits?.test(name) === true)])];
}

/** A oneshot like nodeadm's has ended long ago on a live host. A unit of another name has to run the renderer's own program. */
async function isRunning(host: HostView, { renders: { units, program } }: Renderer, unit: Unit): Promise<boolean> {
  const state = await (await host.systemd())?.unit(unit);
  if (state === undefined || !runs.includes(state.activeState)) return false;
  if (units.includes(unit)) return true;
  const executable = state.mainPid > 0 ? await host.readlink(`/proc/${state.mainPid}/exe`).catch(() => undefined) : undefined;
  return program?.test(posix.basename((executable ?? '').replace(/ \(deleted\)$/, ''))) === true;
}
