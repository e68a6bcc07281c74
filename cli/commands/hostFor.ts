import { type Host, openHost } from '../host/index.ts';
import { imageState, stateFolder } from '../store/index.ts';
import type { OptionValue } from './types.ts';

/** Verbs whose --backend says what becomes of the root. */
const making = ['install', 'check'];

/**
 * The host of a command. A tree that does not run is the tree of an OS image where the backend baked is asked for, or where it was before;
 * so is the root of a container that builds one. SOURCE_DATE_EPOCH is the time of what is written there (reproducible-builds.org).
 */
export async function hostFor(root: string, env: Host['env'], verb: string, options: Record<string, OptionValue>): Promise<Host> {
  const host = openHost(root, env);
  // As sd_booted(3) finds out.
  if ((await host.lstat('/run/systemd/system')) !== undefined) return host;
  const isRequested = making.includes(verb) && options['backend'] === 'baked';
  if (!isRequested && (await host.lstat(imageState)) === undefined) return host;
  await host.close();
  const image = openHost(root, env, { image: { from: stateFolder, to: imageState } });
  const epoch = env['SOURCE_DATE_EPOCH'] ?? '';
  return /^\d{1,11}$/.test(epoch) ? { ...image, now: () => new Date(Number(epoch) * 1000) } : image;
}
