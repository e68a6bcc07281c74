import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { command } from '../output/index.ts';
import { activeNumber, type Generation, imageNumber } from '../store/index.ts';

/** What may be done where the active generation is that of the OS image: the guard's own, and what changes no generation. */
const harmless = ['boot', 'recover', 'gc'];

/** The generation of an OS image is changed by another image, and by the tree of an image only as a whole. Throws `baked-owned`. */
export async function refuseBaked(host: HostView, verb: string): Promise<void> {
  if (host.image || harmless.includes(verb) || (await activeNumber(host)) !== imageNumber) return;
  throw new KataError('baked-owned', {
    subject: verb,
    found: 'the active generation is part of the OS image of this host',
    needed: 'a change of the image',
    next: 'change the Containerfile, build the image again and update the host to it; bootc rollback goes back',
  });
}

/** An image has one generation: its number and its folder are the same in every image. Throws `baked-taken`. */
export async function refuseSecond(host: HostView, from: Generation | undefined): Promise<void> {
  if (!host.image || from === undefined) return;
  throw new KataError('baked-taken', {
    subject: host.root,
    found: `the tree has a generation already: Kata ${from.manifest.release}`,
    needed: 'a tree without one',
    next: `build from an image without Kata, or take it off this tree first: ${command(host, 'uninstall')}`,
  });
}

/** The first boot of an image uses the active generation; no user could activate a staged one before. Throws `usage`. */
export function refuseWaiting(host: HostView, stage: boolean): void {
  if (!host.image || !stage) return;
  throw new KataError('usage', {
    subject: '--stage',
    found: '--stage on the tree of an image',
    needed: 'no --stage: the first boot of the image proves the generation',
    next: 'kata-sysext install --help',
  });
}
