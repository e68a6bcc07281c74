import { commandWord, type Finding } from '../../errors/index.ts';
import { type HostFacts, mountOf, mounts, writableAgain } from '../../facts/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { activeNumber, findGeneration, payloadRoot, pointer } from '../../store/index.ts';
import { pointerSteps } from '../pointer.ts';
import { unseenFiles } from '../seen.ts';
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
  // Plain files, which an engine with a root or mounts of its own may lack all the same.
  verifyVisible: (host, to, pids) => unseenFiles(host, to, pids, `${pointer}/payload`),
};

async function preflight(host: HostView, facts: HostFacts): Promise<Finding[]> {
  const root = prefix.root(facts);
  const real = await host.realpath(root);
  const mount = mountOf(await mounts(host), real);
  if (mount === undefined) return [];
  const bad = (['noexec', 'ro'] as const).filter((option) => mount.options.includes(option));
  const lasting = bad.includes('noexec') ? await lastingExec(host, mount.point) : '';
  return bad.map((option) => ({
    code: option === 'ro' ? 'backend-read-only' : 'backend-unfit',
    level: 'blocker',
    subject: real,
    found: `${real} lies on ${mount.point}, which is mounted ${option}`,
    needed: option === 'ro' ? 'a file system that can be written' : 'a file system from which programs may run',
    next:
      option === 'ro'
        ? `mount -o ${writableAgain(mount)} ${commandWord(mount.point)}`
        : `mount -o remount,exec ${commandWord(mount.point)}; ${lasting}`,
  }));
}

/** A remount lasts until the next boot, which would roll back. */
async function lastingExec(host: HostView, point: HostPath): Promise<string> {
  const lines = ((await host.readText('/etc/fstab')) ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  const where = lines.some(([source = '#', target]) => !source.startsWith('#') && target === point)
    ? `in the line of ${point} in /etc/fstab`
    : `in Options= of its unit: systemctl edit --full -- "$(systemd-escape --path --suffix=mount ${commandWord(point)})"`;
  return `and for the next boots take noexec away ${where}`;
}
