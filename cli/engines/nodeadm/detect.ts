import type { HostView } from '../../host/types.ts';
import { isThere, startOfUnit, wantedUnits } from '../common/unitFiles.ts';
import { usualConfig } from '../containerd/facts.ts';
import { containerd } from '../containerd/index.ts';
import { rootFile } from '../containerd/rootFile.ts';
import type { Instance, Wiring } from '../types.ts';
import { cache, configUnit, facts, folder, runUnit, versionFile, wiringFile } from './facts.ts';

/**
 * See `Engine.detect`: the containerd whose file nodeadm writes. nodeadm itself runs for a moment at each boot, so that an enabled unit
 * shows it; what was wired for it is found also where its units were disabled since.
 */
export async function detectNodeadm(host: HostView, hint?: string): Promise<Instance[]> {
  if (!(await decides(host, hint))) return [];
  const found = await containerd.detect(host, hint ?? (host.booted ? undefined : await versionOnFile(host)));
  const own = found.filter(({ configPath }) => configPath === usualConfig || configPath === rootFile);
  return Promise.all(own.map((each) => asRendered(host, each)));
}

/** See `Engine.findRecorded`. */
export async function findRecordedNodeadm(host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  const found = await containerd.findRecorded(host, wiring);
  return found === undefined ? undefined : asRendered(host, found);
}

async function decides(host: HostView, hint: string | undefined): Promise<boolean> {
  const wanted = await wantedUnits(host);
  const systemd = await host.systemd();
  for (const unit of [runUnit, configUnit]) {
    if (!(await isThere(host, unit))) continue;
    if (wanted.has(unit) || (!host.live && hint !== undefined)) return true;
    if (['active', 'activating'].includes((await systemd?.unit(unit))?.activeState ?? '')) return true;
  }
  return (await host.lstat(wiringFile)) !== undefined;
}

async function asRendered(host: HostView, found: Instance): Promise<Instance> {
  const renderer = { title: facts.title, writes: usualConfig };
  const waits = (await isFirstStarted(host, found)) ? { firstStart: runUnit } : {};
  // containerd itself restarts: nodeadm has nothing to read.
  if (found.configPath === rootFile || !(await readsFolder(host)))
    return { ...found, ...waits, engine: facts.name, renderer: { ...renderer, when: `at each boot and at each start of ${runUnit}` } };
  return {
    ...found,
    ...waits,
    engine: facts.name,
    configFolder: folder,
    effect: { by: 'restart', unit: runUnit },
    renderer: { ...renderer, when: `at each boot and at each start of ${runUnit}, which restarts containerd and kubelet` },
  };
}

/**
 * A builder of AMIs that has booted: nodeadm has merged nothing in this boot, because the builder has no user data of a node, and neither a
 * target nor a unit starts containerd (docs/facts/nodeadm.md#when-it-renders).
 */
async function isFirstStarted(host: HostView, { process, unit }: Instance): Promise<boolean> {
  if (!host.live || process !== undefined || unit === undefined || (await host.lstat(cache)) !== undefined) return false;
  const wanted = await wantedUnits(host);
  if (!wanted.has(runUnit) || wanted.has(unit)) return false;
  const states = await Promise.all([unit, runUnit, configUnit].map(async (name) => (await host.systemd())?.unit(name)));
  // A daemon that fails, or that is about to start, is another case.
  return states.every((state, index) => ['inactive', ...(index === 0 ? [] : ['failed'])].includes(state?.activeState ?? ''));
}

/** A nodeadm that knows the folder has it in the command of its unit. */
async function readsFolder(host: HostView): Promise<boolean> {
  const start = (await startOfUnit(host, runUnit)) ?? '';
  return /--config-source[=\s]+["']?file:\/\/\/etc\/eks\/nodeadm\.d\/?(?=["'\s]|$)/.test(start);
}

/** Of an earlier nodeadm: the handlers are beside the file that it writes. */
export function isBeside({ configFolder }: Instance): boolean {
  return configFolder === undefined;
}

/** Of containerd, as nodeadm finds it; undefined where it would ask the program. */
export async function versionOnFile(host: HostView): Promise<string | undefined> {
  return /\d+\.\d+\.\d+/.exec((await host.readText(versionFile)) ?? '')?.[0];
}
