import type { TreeEntry } from '../bundle/types.ts';
import { type LabelClass, labelFor } from '../layout/index.ts';
import type { Labelled } from './types.ts';

/** The path of the image's own root folder; it is never merged. */
export const rootContext = contextOf('usr_t');

/**
 * The entries of an extension, each with the label that it shall have in the image. A merge relabels nothing: a file shows the label that
 * it has in its layer, and a folder of several layers that of the uppermost, so that /usr, /usr/lib and /usr/share need their labels as well
 * (docs/facts/selinux.md#labels-in-images).
 */
export function labelled(entries: TreeEntry[], family: string): Labelled[] {
  return entries.map((entry) => ({ ...entry, context: contextOf(labelFor(family, `/${entry.path}`, classOf(entry))) }));
}

function classOf({ kind, mode }: TreeEntry): LabelClass {
  if (kind === 'symlink') return 'link';
  return kind === 'file' && (mode & 0o111) !== 0 ? 'program' : 'data';
}

function contextOf(type: string): string {
  return `system_u:object_r:${type}:s0`;
}
