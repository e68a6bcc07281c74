import { posix } from 'node:path';
import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { activeNumber, findGeneration, imageNumber, imageRoot, pointer } from '../../store/index.ts';
import { pointerSteps } from '../pointer.ts';
import { unseenFiles } from '../seen.ts';
import type { Backend } from '../types.ts';
import { facts } from './facts.ts';

/**
 * The files are part of an OS image, below /usr, and so are manifest and record; only the pointer, the wiring and the units are in /etc. Made
 * on the tree of the image while it is built, proven by the first boot. What replaces it, and brings it back, is the OS.
 */
export const baked: Backend = {
  ...facts,
  preflight,
  root: () => imageRoot,
  mountPoint: () => `${pointer}/payload`,
  // As with prefix: a pod that starts meanwhile must not mix two releases.
  payloadDir: (payloadFolder) => payloadFolder,
  plan: (host, to) => pointerSteps(host, to),
  detach: async () => [],
  risks: async () => [],
  status: async (host) => {
    const number = await activeNumber(host);
    if (number === undefined) return { problems: [] };
    if (number !== imageNumber || (await findGeneration(host, number)) === undefined)
      return { problems: [`${pointer} does not point at the generation of this image`] };
    const there = (await host.stat(`${pointer}/payload`))?.kind === 'directory';
    return { generation: number, problems: there ? [] : [`${pointer}/payload leads nowhere`] };
  },
  // Plain files, which an engine with a root or mounts of its own may lack all the same.
  verifyVisible: (host, to, pids) => unseenFiles(host, to, pids, `${pointer}/payload`),
};

async function preflight(host: HostView): Promise<Finding[]> {
  // A host that boots the image, or that has its generation active, needs no other generation.
  if (!host.image) return (host.booted && !host.live) || (await activeNumber(host)) === imageNumber ? [] : [running(host)];
  const found: Finding[] = [];
  if ((await host.lstat('/etc')) === undefined && (await host.lstat('/usr/etc')) !== undefined) found.push(committed());
  if (!(await host.canWrite('/usr'))) found.push(readOnly(host));
  const target = await host.readlink(pointer);
  if (target !== undefined && (await activeNumber(host)) !== imageNumber) found.push(otherwise(target));
  return found;
}

const unfit = (subject: string, found: string, needed: string, next: string): Finding => ({
  code: 'backend-unfit',
  level: 'blocker',
  subject,
  found,
  needed,
  next,
});

function running(host: HostView): Finding {
  return {
    code: 'baked-live',
    level: 'blocker',
    subject: host.root,
    found: 'this host runs: its /usr belongs to the image that it was booted from',
    needed: 'the tree of an image that is being built (backend baked)',
    next: 'take another backend here (--backend auto); or build an image: kata-sysext generate containerfile --form baked --help',
  };
}

function committed(): Finding {
  const next = 'install before the tree is committed: in the Containerfile, above “ostree container commit” or “bootc container lint”';
  return unfit('/usr/etc', 'the tree has a /usr/etc and no /etc, as an ostree commit has', 'the tree of a container image', next);
}

function readOnly({ root }: HostView): Finding {
  return unfit('/usr', '/usr cannot be written to', 'the tree of an image that is being built', `findmnt -T ${posix.join(root, 'usr')}`);
}

function otherwise(target: string): Finding {
  const next = 'take that off the tree with the program that made it: kata-sysext uninstall --purge';
  return unfit(pointer, `${pointer} points at ${target}: something else is installed on this tree`, 'a tree without Kata', next);
}
