import type { HostView } from '../../host/index.ts';
import { activeGeneration, activeNumber, type GenerationManifest, pointer } from '../../store/index.ts';
import { mountPointOf, seenBelowUsr } from '../belowUsr.ts';
import { pointerSteps } from '../pointer.ts';
import type { Backend } from '../types.ts';
import { detachChecks, hostChecks, mountChecks, readScene, rootOf, runChecks } from './checks.ts';
import { facts } from './facts.ts';
import type { MountStep } from './mount.ts';
import { isOurWants, layerOf, link, service, unitFile, unitText, wantsLink } from './paths.ts';
import { hideSteps, showSteps } from './steps.ts';

/**
 * The payload is one more layer of /usr: a systemd unit mounts an overlay at every boot, before the engine starts, and needs no program of
 * kata-sysext. The host's own /usr is the upper layer: no file, label or mode of it changes, and only the payload's names are added.
 */
export const overlay: Backend = {
  ...facts,
  preflight: async (host, facts) => runChecks(hostChecks, await readScene(host, facts)),
  root: rootOf,
  mountPoint: mountPointOf,
  payloadDir: mountPointOf,
  plan: async (host, to, written) =>
    to === undefined
      ? [...(await hideSteps(host)), ...(await pointerSteps(host, undefined))]
      : [...(await pointerSteps(host, to)), ...(await showSteps(host, to, written))],
  detach: hideSteps,
  risks: async (host, steps) => {
    const step = steps.find(({ kind }) => kind === 'mount') as MountStep | undefined;
    if (step === undefined) return [];
    return runChecks(step.after === 'absent' ? detachChecks : mountChecks, await readScene(host));
  },
  status: async (host) => {
    const number = await activeNumber(host);
    if (number === undefined) return { problems: [] };
    const generation = await activeGeneration(host);
    if (generation === undefined) return { problems: [`${pointer} points at generation ${number}, which is not there`] };
    const target = await layerOf(host, generation.manifest);
    const problems = (await host.readlink(link)) === target ? [] : [`${link} does not point at ${target}`];
    if ((await host.readText(unitFile)) !== unitText()) problems.push(`${unitFile} is not the unit of this version`);
    if (!isOurWants(await host.readlink(wantsLink))) problems.push(`nothing starts ${service} at boot`);
    if (host.live) problems.push(...(await verifyVisible(host, generation.manifest, [1])));
    return { generation: problems.length === 0 ? number : undefined, problems };
  },
  verifyVisible,
};

async function verifyVisible(host: HostView, to: GenerationManifest, pids: number[]): Promise<string[]> {
  return seenBelowUsr(host, to, pids, 'mounted');
}
