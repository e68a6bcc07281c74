import type { HostView } from '../host/index.ts';
import { words } from '../output/index.ts';
import { verbs } from './table/index.ts';

/** Verbs that look at no host. */
const hostless = ['try', 'explain', 'completion', 'build', 'inspect', 'generate'];
const named = verbs.map(({ name }) => name).filter((name) => !hostless.includes(name));
/** A kata-sysext command in a sentence; not one that names its tree, and no --help. */
const command = new RegExp(`kata-sysext (?:${named.join('|')})\\b(?! --help)(?![^;,)\\n]* --root )`, 'g');

/** Advice for the tree at `root`: without --root its commands would act on the live host. */
export function forTree(text: string, root: string): string {
  return root === '/' ? text : text.replace(command, (found) => `${found} --root ${words([root])}`);
}

/** The same for a host: only of an offline tree the commands name it. */
export function forHost(text: string, { booted, root }: HostView): string {
  return forTree(text, booted ? '/' : root);
}
