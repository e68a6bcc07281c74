import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { activeGeneration, activeNumber, type GenerationManifest, pointer } from '../../store/index.ts';
import { mountPointOf, seenBelowUsr } from '../belowUsr.ts';
import { pointerSteps } from '../pointer.ts';
import type { Backend } from '../types.ts';
import { facts } from './facts.ts';
import { foreignChecks } from './foreignChecks.ts';
import { type Check, hostChecks, rootOf } from './hostChecks.ts';
import { extensionOf, links } from './paths.ts';
import { readScene, type Scene } from './scene.ts';
import { hideSteps, showSteps } from './steps.ts';

/**
 * The payload is a system extension: a link in /etc/extensions enables it, and PID 1 merges it into /usr. Only PID 1 does, through its own
 * service: the context of whoever mounts sticks to the mount (docs/facts/selinux.md#the-context-of-the-mounter). A folder or an image:
 * see `extensionOf`.
 */
export const sysext: Backend = {
  ...facts,
  preflight: async (host, facts) => runChecks([...hostChecks, ...foreignChecks], await readScene(host, facts)),
  root: rootOfFacts,
  mountPoint: mountPointOf,
  payloadDir: mountPointOf,
  plan: async (host, to, written) => {
    if (to !== undefined) return [...(await pointerSteps(host, to)), ...(await showSteps(host, to, written))];
    // Links are written in /etc/kata-sysext and renamed from there. So the removal of that folder comes last: an undo makes it first.
    const { links, merge } = await hideSteps(host);
    return [...links, ...(await pointerSteps(host, undefined)), ...merge];
  },
  detach: async (host) => {
    const { links, merge } = await hideSteps(host);
    return [...links, ...merge];
  },
  risks: async (host, steps) => (steps.some((step) => step.kind === 'refresh') ? runChecks(foreignChecks, await readScene(host)) : []),
  status: async (host) => {
    const number = await activeNumber(host);
    if (number === undefined) return { problems: [] };
    const generation = await activeGeneration(host);
    if (generation === undefined) return { problems: [`${pointer} points at generation ${number}, which is not there`] };
    const { path, target } = await extensionOf(host, generation.manifest);
    const problems = (await host.readlink(path)) === target ? [] : [`${path} does not point at ${target}`];
    // Which of two extensions of one name systemd takes is decided by the order of a folder.
    for (const other of links) {
      if (other !== path && (await host.lstat(other)) !== undefined) problems.push(`${other} is there as well as ${path}`);
    }
    if (host.live) problems.push(...(await verifyVisible(host, generation.manifest, [1])));
    return { generation: problems.length === 0 ? number : undefined, problems };
  },
  verifyVisible,
};

function rootOfFacts(facts: Scene['facts']): string {
  return rootOf(facts);
}

async function runChecks(checks: Check[], scene: Scene): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const check of checks) found.push(...(await check(scene)));
  return found;
}

async function verifyVisible(host: HostView, to: GenerationManifest, pids: number[]): Promise<string[]> {
  return seenBelowUsr(host, to, pids, 'merged');
}
