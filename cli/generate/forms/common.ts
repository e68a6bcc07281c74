import { fill } from '../../assets/index.ts';
import { commandWord } from '../../errors/index.ts';
import { digestOf } from '../../host/index.ts';
import type { Source } from '../types.ts';

/** Between two tries of a node whose server is away. */
export const pauseSeconds = 30;
/** How long a try waits for the network. */
const onlineSeconds = 60;
/** Where the size of a file is not known. No release comes near. */
const maxBytes = 8 * 2 ** 30;
/** How many tries of this boot have failed. */
export const triesFile = '/run/kata-sysext-first-boot-tries';
/** Which installations have worked on this node, one empty file each. */
const stamps = '/var/lib/kata-sysext-first-boot';

export const firstBootUnit = 'kata-sysext-first-boot.service';
/** The folder of kata-sysext in /etc belongs to the program: what is here belongs to the author of the node's configuration. */
export const firstBootFolder = '/etc/kata-sysext-first-boot';
export const firstBootScript = `${firstBootFolder}/hook.sh`;

/**
 * The two files that say that an installation has worked: other bytes or other arguments are another one, another server is not. A node
 * that is set up again on the old disk keeps /var and gets a new /etc, without pointer and wiring, as does an OS that goes back behind the
 * first boot.
 */
export function stampsOf(what: string[]): { stamp: string; mark: string } {
  const name = digestOf(JSON.stringify(what)).slice('sha256:'.length, 'sha256:'.length + 16);
  return { stamp: `${stamps}/${name}`, mark: `${firstBootFolder}/${name}` };
}

/** The shell function that fetches and verifies. */
export function fetchFunction(): string {
  return fill('templates/first-boot/fetch.sh', { pause: String(pauseSeconds), online: String(onlineSeconds), most: String(maxBytes) });
}

export function fetchLine({ name, digest, url, sizeBytes }: Source): string {
  const from = url === undefined ? [] : [url, ...(sizeBytes === undefined ? [] : [String(sizeBytes)])];
  return ['fetch', name, digest.slice('sha256:'.length), ...from].map(commandWord).join(' ');
}
