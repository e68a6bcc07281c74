import { commandWord, type Finding } from '../../errors/index.ts';
import { type HostFacts, mountOf, mounts, writableAgain } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { activeNumber, findGeneration, payloadRoot, pointer } from '../../store/index.ts';
import { pointerSteps } from '../pointer.ts';
import type { Backend } from '../types.ts';
import { facts } from './facts.ts';

/** Files stay where the store put them; one symlink in /etc says which generation is active. Atomic, no mount, no gap. */
export const prefix: Backend = {
  ...facts,
  preflight,
  root: ({ ostree, selinux }) => payloadRoot((ostree.known && ostree.value) || (selinux.known && selinux.value.mode !== 'disabled')),
  mountPoint: () => `${pointer}/payload`,
  // The generation's own folder, not the pointer: a pod that starts during a switch must not mix two releases.
  payloadDir: (payloadFolder) => payloadFolder,
  plan: (host, to) => pointerSteps(host, to),
  detach: async () => [],
  risks: async () => [],
  status: async (host) => {
    const number = await activeNumber(host);
    if (number === undefined) return { problems: [] };
    const generation = await findGeneration(host, number);
    if (generation === undefined) return { problems: [`${pointer} points at generation ${number}, which is not there`] };
    const there = (await host.stat(`${pointer}/payload`))?.kind === 'directory';
    return { generation: number, problems: there ? [] : [`${pointer}/payload leads nowhere`] };
  },
  // Plain files below /var or /usr/local: every process has them.
  verifyVisible: async () => [],
};

async function preflight(host: HostView, facts: HostFacts): Promise<Finding[]> {
  const root = prefix.root(facts);
  const real = await host.realpath(root);
  const mount = mountOf(await mounts(host), real);
  if (mount === undefined) return [];
  const bad = (['noexec', 'ro'] as const).filter((option) => mount.options.includes(option));
  return bad.map((option) => ({
    code: option === 'ro' ? 'backend-read-only' : 'backend-unfit',
    level: 'blocker',
    subject: real,
    found: `${real} lies on ${mount.point}, which is mounted ${option}`,
    needed: option === 'ro' ? 'a file system that can be written' : 'a file system from which programs may run',
    next: `mount -o ${option === 'ro' ? writableAgain(mount) : 'remount,exec'} ${commandWord(mount.point)}`,
  }));
}
